package shop

import (
	"flag"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const userCount = 1000

var (
	givenNames = []string{"Ada", "Barbara", "Claude", "Donald", "Edsger", "Frances", "Grace", "Hedy"}
	countries  = []string{"DE", "FR", "IT", "PL", "SE"}
)

// users is the role that returns the customers.
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
			writeProblem(w, http.StatusNotFound, "no-such-user",
				fmt.Sprintf("no user %q; there are 1 to %d", r.PathValue("id"), userCount))
			return
		}
		writeJSON(w, http.StatusOK, user)
	}
	return map[string]http.Handler{"GET /api/v1/users/{id}": http.HandlerFunc(get)}
}

func findUser(id string) (User, bool) {
	number, err := strconv.Atoi(id)
	if err != nil || number < 1 || number > userCount {
		return User{}, false
	}
	name := fmt.Sprintf("%s %d", givenNames[number%len(givenNames)], number)
	return User{ID: id, Name: name, Country: countries[number%len(countries)]}, true
}
