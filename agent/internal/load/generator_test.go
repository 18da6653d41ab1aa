package load

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chaosgo/agent/internal/histogram"
	"chaosgo/agent/internal/spec"
)

// run drives a load for a while and gives its seconds and totals.
func run(t *testing.T, l Load, d time.Duration) ([]LoadSecond, LoadSecond) {
	t.Helper()
	s := spec.Spec{Version: spec.Protocol, ID: "t", Kind: Kind, DurationS: 60, Detail: &l}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var seconds []LoadSecond
	g, err := New(&l, func(second LoadSecond) {
		mu.Lock()
		defer mu.Unlock()
		seconds = append(seconds, second)
	})
	if err != nil {
		t.Fatal(err)
	}
	g.Start()
	time.Sleep(d)
	totals := g.Stop()
	mu.Lock()
	defer mu.Unlock()
	balance(t, seconds, totals)
	return seconds, totals
}

// balance checks that every intended request is in exactly one place, in each second and in all.
func balance(t *testing.T, seconds []LoadSecond, totals LoadSecond) {
	t.Helper()
	var sum LoadSecond = *newRecord(totals.StartUnixS)
	for i, s := range append(slices.Clone(seconds), totals) {
		answered := count(s.Statuses)
		if s.Sent+s.Dropped != s.Intended || answered+s.Timeouts+s.ConnectionErrors != s.Sent {
			t.Errorf("second %d does not add up: %+v", i, s)
		}
		if n := s.Timeouts + s.ConnectionErrors + serverErrors(s); count(s.FailuresByCause) != n {
			t.Errorf("second %d: %d failures have the causes %v", i, n, s.FailuresByCause)
		}
		if n := count(s.Latency.Counts); n != answered+s.Timeouts || n != count(s.ServiceTime.Counts) {
			t.Errorf("second %d: %d latencies of %d answers and %d timeouts", i, n, answered, s.Timeouts)
		}
	}
	for i, s := range seconds {
		if want := totals.StartUnixS + float64(i); s.StartUnixS < want-1e-5 || s.StartUnixS > want+1e-5 {
			t.Errorf("second %d starts at %f, want %f", i, s.StartUnixS, want)
		}
		add(&sum, &s)
	}
	if !reflect.DeepEqual(sum, totals) {
		t.Errorf("the seconds add up to %+v, the totals say %+v", sum, totals)
	}
}

func count[K comparable](counts map[K]uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

func serverErrors(s LoadSecond) (n uint64) {
	for status, c := range s.Statuses {
		if status >= "500" {
			n += c
		}
	}
	return n
}

// quantile gives the upper bound of the bucket in milliseconds.
func quantile(h Histogram, q float64) float64 {
	var indexes []int
	for i := range h.Counts {
		indexes = append(indexes, i)
	}
	slices.Sort(indexes)
	rank, n := uint64(q*float64(count(h.Counts))), uint64(0)
	for _, i := range indexes {
		if n += h.Counts[i]; n > rank {
			_, high := histogram.Bounds(i)
			return float64(high) / 1000
		}
	}
	return 0
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

func TestEveryRequestIsAccountedFor(t *testing.T) {
	var mu sync.Mutex
	n := 0
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		n++
		fail := n%4 == 0
		mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		if r.Method != "POST" || r.Header.Get("X-A") != "1" || r.Host != "shop" || string(body) != "hello" {
			t.Errorf("got %s %s %q %q", r.Method, r.Host, r.Header, body)
		}
		if fail {
			w.WriteHeader(503)
		}
	})
	seconds, totals := run(t, Load{URL: url, Method: "POST", RateRPS: 200, Body: "hello",
		Headers: map[string]string{"X-A": "1", "host": "shop"}}, 2300*time.Millisecond)
	if totals.Intended < 440 || totals.Intended > 600 {
		t.Errorf("%d requests were due in 2.3 s at 200 per second", totals.Intended)
	}
	if seconds[0].Intended != 200 || seconds[1].Intended != 200 {
		t.Errorf("the first seconds had %d and %d requests", seconds[0].Intended, seconds[1].Intended)
	}
	if totals.Statuses["503"] != totals.Sent/4 || totals.Statuses["200"]+totals.Statuses["503"] != totals.Sent {
		t.Errorf("of %d requests: %v", totals.Sent, totals.Statuses)
	}
	if totals.ImpactN != 0 {
		t.Errorf("without a rule the impact of %d requests was judged", totals.ImpactN)
	}
}

func TestTimeoutsAndDropped(t *testing.T) {
	hang := make(chan bool)
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	defer close(hang)
	_, totals := run(t, Load{URL: url, RateRPS: 50, TimeoutMS: 300, MaxInFlight: 1,
		Impact: &Impact{Timeout: true}}, 1500*time.Millisecond)
	if totals.Timeouts == 0 || totals.Dropped == 0 || totals.Timeouts != totals.Sent {
		t.Errorf("%+v", totals)
	}
	if totals.Impact != totals.Timeouts || totals.ImpactN != totals.Timeouts {
		t.Errorf("%d of %d requests hurt, %d timed out", totals.Impact, totals.ImpactN, totals.Timeouts)
	}
	if low := quantile(totals.Latency, 0); low < 299 {
		t.Errorf("a request that was given up after 300 ms counts as %g ms", low)
	}
}

func TestRefusedConnectionsHaveNoLatency(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	_, totals := run(t, Load{URL: s.URL, RateRPS: 50, Impact: &Impact{Timeout: true}}, 500*time.Millisecond)
	if totals.ConnectionErrors == 0 || totals.ConnectionErrors != totals.Sent || totals.ImpactN != 0 {
		t.Errorf("%+v", totals)
	}
}

func TestSecondsWithoutRequestsAreThereToo(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	seconds, totals := run(t, Load{URL: url, RateRPS: 0.4}, 2300*time.Millisecond)
	if totals.Intended != 1 || len(seconds) < 2 || seconds[1].Intended != 0 {
		t.Errorf("%d requests, %d seconds", totals.Intended, len(seconds))
	}
}

func TestRedirectIsTheAnswer(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) })
	_, totals := run(t, Load{URL: url, RateRPS: 20}, 300*time.Millisecond)
	if totals.Statuses["302"] != totals.Sent || totals.Sent == 0 {
		t.Errorf("%v of %d", totals.Statuses, totals.Sent)
	}
}

func TestHurts(t *testing.T) {
	rule := &Impact{Statuses: []int{503}, JSONField: "order.decision", JSONValue: "reject"}
	for _, c := range []struct {
		name string
		rule *Impact
		r    result
		body string
		want bool
	}{
		{"a status of the list", rule, result{status: 503}, ``, true},
		{"another status", rule, result{status: 500}, ``, false},
		{"the value", rule, result{status: 200}, `{"order":{"decision":"reject"}}`, true},
		{"another value", rule, result{status: 200}, `{"order":{"decision":"approve"}}`, false},
		{"the field is missing", rule, result{status: 200}, `{"order":{}}`, false},
		{"not JSON", rule, result{status: 200}, `<html>`, false},
		{"a timeout that does not count", rule, result{timeout: true}, ``, false},
		{"a timeout that counts", &Impact{Timeout: true}, result{timeout: true}, ``, true},
		{"a number", &Impact{JSONField: "n", JSONValue: "3"}, result{status: 200}, `{"n": 3}`, true},
		{"null", &Impact{JSONField: "n", JSONValue: "null"}, result{status: 200}, `{"n":null}`, true},
		{"a truth value", &Impact{JSONField: "ok", JSONValue: "false"}, result{status: 200}, `{"ok":false}`, true},
	} {
		if got := hurts(c.rule, &c.r, []byte(c.body)); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestImpactIsJudgedOnTheAnswer(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"decision":"reject"}`) })
	_, totals := run(t, Load{URL: url, RateRPS: 50, Impact: &Impact{JSONField: "decision", JSONValue: "reject"}}, 400*time.Millisecond)
	if totals.Impact != totals.Sent || totals.ImpactN != totals.Sent || totals.Sent == 0 {
		t.Errorf("%d of %d of %d", totals.Impact, totals.ImpactN, totals.Sent)
	}
}

func TestHostWithoutAddressIsRefusedBeforeAnythingIsSent(t *testing.T) {
	_, err := New(&Load{URL: "http://u:secret@no.such.invalid/x", RateRPS: 1, TimeoutMS: 100}, func(LoadSecond) {})
	var problem *spec.Problem
	if !errors.As(err, &problem) || problem.Field != "load.url" || problem.Value != "http://u:xxxxx@no.such.invalid/x" ||
		!strings.Contains(problem.Message, "cannot be resolved") {
		t.Errorf("got %v", err)
	}
}
