package shop

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chaosgo/demo/internal/latency"
	"chaosgo/demo/internal/pipenet"
)

// town is a shop under test: real roles and real HTTP over pipes, so that the clock can be a fake one.
type town struct {
	t       *testing.T
	network *pipenet.Network
	client  *http.Client
}

func newTown(t *testing.T) *town {
	network := pipenet.New()
	transport := &http.Transport{DialContext: network.Dial}
	t.Cleanup(func() { // runs last: the servers are closed
		transport.CloseIdleConnections()
		time.Sleep(5 * time.Second) // on the fake clock, until delayed requests that were abandoned have ended
	})
	return &town{t: t, network: network, client: &http.Client{Transport: transport}}
}

// run starts a role with a command line, behind the given faults.
func (w *town) run(line string, faults ...func(http.Handler) http.Handler) {
	w.t.Helper()
	cmd, err := parse(strings.Fields(line))
	if err != nil {
		w.t.Fatal(err)
	}
	var handler http.Handler = cmd.service(w.network.Dial)
	for _, fault := range faults {
		handler = fault(handler)
	}
	server := &http.Server{Handler: handler}
	listener := w.network.Listen(cmd.role.name)
	go func() { _ = server.Serve(listener) }() // ends with ErrServerClosed
	w.t.Cleanup(func() { _ = server.Close() })
}

const (
	quickUsers = "users --latency 0 --tail 0"
	quickRisk  = "risk --latency 0 --tail 0"
	checkoutAt = "checkout --users-url http://users --risk-url http://risk "
	gatewayAt  = "gateway --users-url http://users --checkout-url http://checkout "
)

type reply struct {
	status  int
	body    string
	elapsed time.Duration
}

func (w *town) ask(method, url, body string) reply {
	w.t.Helper()
	began := time.Now()
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	response, err := w.client.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{response.StatusCode, strings.TrimSpace(string(text)), time.Since(began)}
}

func (w *town) buy(amount float64) reply {
	w.t.Helper()
	return w.ask("POST", "http://checkout/checkout", fmt.Sprintf(`{"user_id":"42","amount":%g}`, amount))
}

// metric returns the value of one series of a role, named as /metrics prints it.
func (w *town) metric(role, series string) string {
	w.t.Helper()
	for line := range strings.Lines(w.ask("GET", "http://"+role+"/metrics", "").body) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), series+" "); found {
			return value
		}
	}
	return "absent"
}

func (r reply) expect(t *testing.T, status int, part string) {
	t.Helper()
	if r.status != status || !strings.Contains(r.body, part) {
		t.Fatalf("got %d %s, want %d with %s", r.status, r.body, status, part)
	}
}

// counted counts the requests to users or risk, without those for metrics and health.
func counted(count *atomic.Int64) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/api/") {
				count.Add(1)
			}
			next.ServeHTTP(rw, r)
		})
	}
}

// answering503 fails a share of the requests, drawn from a seeded source.
func answering503(share func() float64) func(http.Handler) http.Handler {
	random := latency.NewRandom(7)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if random.Fraction() < share() {
				http.Error(rw, "injected", http.StatusServiceUnavailable)
				return
			}
			next.ServeHTTP(rw, r)
		})
	}
}

func always(share float64) func() float64 { return func() float64 { return share } }

func delayed(by time.Duration) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			time.Sleep(by)
			next.ServeHTTP(rw, r)
		})
	}
}
