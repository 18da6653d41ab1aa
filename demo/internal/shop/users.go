package shop

import (
	"flag"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"chaosgo/demo/internal/latency"
)

const userCount = 1000

var (
	givenNames = []string{"Ada", "Barbara", "Claude", "Donald", "Edsger", "Frances", "Grace", "Hedy"}
	countries  = []string{"DE", "FR", "IT", "PL", "SE"}
)

// users is the role that returns the customers and logs them in.
type users struct{ workload }

func (u *users) register(flags *flag.FlagSet) {
	u.workload.register(flags, 4*time.Millisecond, 25*time.Millisecond)
}

func (u *users) routes(environment) map[string]http.Handler {
	shape := u.shape()
	get := func(w http.ResponseWriter, r *http.Request) {
		if shape.Wait(r.Context()) != nil {
			w.WriteHeader(statusClientGone)
			return
		}
		user, found := findUser(r.PathValue("id"))
		if !found {
			writeNoUser(w, r.PathValue("id"))
			return
		}
		writeJSON(w, http.StatusOK, user)
	}
	return map[string]http.Handler{
		"GET /api/v1/users/{id}": http.HandlerFunc(get),
		"POST /api/v1/sessions":  login(u.loginShape()),
	}
}

// loginShape returns the distribution of log-ins; without a latency of lookups they have none either.
func (u *users) loginShape() *latency.Lognormal {
	median, p99 := loginMedian, loginP99
	if u.median == 0 {
		median, p99 = 0, 0
	}
	shape, err := latency.New(median, p99, latency.NewRandom(u.seed))
	if err != nil {
		panic(err) // the parameters are constants of this package
	}
	return shape
}

func writeNoUser(w http.ResponseWriter, id string) {
	writeProblem(w, http.StatusNotFound, "no-such-user", fmt.Sprintf("no user %q; there are 1 to %d", id, userCount))
}

func findUser(id string) (User, bool) {
	number, err := strconv.Atoi(id)
	if err != nil || number < 1 || number > userCount {
		return User{}, false
	}
	name := fmt.Sprintf("%s %d", givenNames[number%len(givenNames)], number)
	return User{ID: id, Name: name, Country: countries[number%len(countries)]}, true
}
