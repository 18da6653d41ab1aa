package load

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chaosgo/agent/internal/spec"
)

// service answers 200 after the time that it takes at the moment, in fake time.
type service func(now time.Duration) (takes time.Duration)

func (s service) transport(origin time.Time) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		select {
		case <-time.After(s(time.Since(origin))):
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(""))}, nil
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func always(d time.Duration) service { return func(time.Duration) time.Duration { return d } }

// oversleep makes a pacer sleep too long, once, at the first sleep after a moment.
type oversleep struct{ after, by time.Duration }

func (o *oversleep) sleep(origin time.Time) func(time.Duration) {
	return func(d time.Duration) {
		if o.by > 0 && time.Since(origin) >= o.after {
			d, o.by = d+o.by, 0
		}
		time.Sleep(d)
	}
}

// simulate drives a load in fake time, so that what is due when, waits and is dropped is exact.
func simulate(t *testing.T, l Load, d time.Duration, s service, o oversleep) (seconds []LoadSecond, totals LoadSecond, stopTook time.Duration) {
	t.Helper()
	through := func(*testing.T, *http.Transport) http.RoundTripper { return s.transport(time.Now()) }
	return simulateThrough(t, l, d, through, o)
}

// simulateThrough does the same with what the test makes of the transport of the load.
func simulateThrough(t *testing.T, l Load, d time.Duration, through func(*testing.T, *http.Transport) http.RoundTripper, o oversleep) (seconds []LoadSecond, totals LoadSecond, stopTook time.Duration) {
	t.Helper()
	l.URL = "http://127.0.0.1/"
	synctest.Test(t, func(t *testing.T) {
		g, err := New(&l, func(second LoadSecond) { seconds = append(seconds, second) })
		if err != nil {
			t.Fatal(err)
		}
		g.client.Transport = through(t, g.client.Transport.(*http.Transport))
		g.pacer = &threadPacer{sleep: o.sleep(time.Now())}
		g.Start()
		time.Sleep(d)
		stopped := time.Now()
		totals = g.Stop()
		stopTook = time.Since(stopped)
	})
	balance(t, seconds, totals)
	return seconds, totals, stopTook
}

// frozen answers after a millisecond, but freezes for 400 ms every 4 s, first after 2 s. A tenth of
// all requests waits, evenly between 0 and 400 ms, so the P95 is 200 ms and the P99 360 ms.
func frozen(now time.Duration) time.Duration {
	const from, to = 2000 * time.Millisecond, 2400 * time.Millisecond
	if at := now % (4 * time.Second); at >= from && at < to {
		return to - at
	}
	return time.Millisecond
}

// The truth is seen however many requests may be in flight.
func TestKnownTruthInFakeTime(t *testing.T) {
	for _, slots := range []int{0, 16} {
		_, totals, _ := simulate(t, Load{RateRPS: 500, TimeoutMS: 2000, MaxInFlight: slots}, 7999*time.Millisecond, frozen, oversleep{})
		p95, p99 := quantile(totals.Latency, 0.95), quantile(totals.Latency, 0.99)
		if p95 < 190 || p95 > 215 || p99 < 350 || p99 > 375 {
			t.Errorf("max_in_flight=%d: P95 %g ms, P99 %g ms", slots, p95, p99)
		}
		if totals.Intended != 4000 || totals.Sent != 4000 || totals.Late != 0 {
			t.Errorf("max_in_flight=%d: %d intended, %d sent, %d late", slots, totals.Intended, totals.Sent, totals.Late)
		}
	}
}

// The slot always goes to the request that has waited longest and has not timed out yet: 400 ms, less
// at most the 20 ms between two of them, and then the service takes 300 ms.
func TestRequestsWaitInOrderUntilTheyWouldHaveTimedOut(t *testing.T) {
	seconds, totals, _ := simulate(t, Load{RateRPS: 50, TimeoutMS: 400, MaxInFlight: 1}, 6*time.Second, always(300*time.Millisecond), oversleep{})
	for i, second := range seconds[1:6] {
		if low, high := quantile(second.Latency, 0), quantile(second.Latency, 0.99); low < 680 || high > 706 {
			t.Errorf("second %d: latencies from %g to %g ms", i+1, low, high)
		}
	}
	if totals.Dropped == 0 || totals.Late != 0 {
		t.Errorf("%d dropped, %d late", totals.Dropped, totals.Late)
	}
}

// The pacer wakes 195 ms late, at 1.205 s: the requests of 1.01 to 1.15 s left over 50 ms late.
func TestLateIsWhatThePacerHeldUp(t *testing.T) {
	_, totals, _ := simulate(t, Load{RateRPS: 100, TimeoutMS: 2000}, 2*time.Second, always(time.Millisecond),
		oversleep{after: 995 * time.Millisecond, by: 195 * time.Millisecond})
	if totals.Late != 15 || totals.Dropped != 0 {
		t.Errorf("%d late, %d dropped", totals.Late, totals.Dropped)
	}
}

// Five requests come at once, after 49 ms, for one slot: those that wait for it are not late, for
// it was the service that held them up.
func TestWaitingForASlotIsNotLate(t *testing.T) {
	for range 20 {
		_, totals, _ := simulate(t, Load{RateRPS: 100, TimeoutMS: 2000, MaxInFlight: 1}, 100*time.Millisecond, always(30*time.Millisecond),
			oversleep{by: 49 * time.Millisecond})
		if totals.Late != 0 || quantile(totals.Latency, 0.99) < 80 {
			t.Fatalf("%d of %d late, P99 %g ms", totals.Late, totals.Sent, quantile(totals.Latency, 0.99))
		}
	}
}

// What waits for a slot has one timeout for it and one more in flight.
func TestStopIsBoundedWhenTheServiceHangs(t *testing.T) {
	_, totals, took := simulate(t, Load{RateRPS: 100, TimeoutMS: 500, MaxInFlight: 3}, 2*time.Second, always(time.Hour), oversleep{})
	if took > time.Second {
		t.Errorf("it took %v", took)
	}
	if totals.Timeouts == 0 || totals.Timeouts != totals.Sent {
		t.Errorf("%d of %d timed out", totals.Timeouts, totals.Sent)
	}
}

// inMemory serves HTTP over pipes: connections without a network, whose waits fake time knows.
type inMemory chan net.Conn

func (m inMemory) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, service := net.Pipe()
	select {
	case m <- service:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m inMemory) Accept() (net.Conn, error) {
	if c, ok := <-m; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (m inMemory) Close() error   { return nil }
func (m inMemory) Addr() net.Addr { return &net.TCPAddr{} }

// With 8 slots only 16 of 4,000 requests are in the hands of the frozen service: the service time,
// which is what a closed loop reports, omits all others. Client and service are those of net/http.
func TestStallIsSeenFromTheIntendedTime(t *testing.T) {
	throughHTTP := func(t *testing.T, transport *http.Transport) http.RoundTripper {
		connections, origin := make(inMemory), time.Now()
		s := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			time.Sleep(frozen(time.Since(origin)))
		})}
		go s.Serve(connections)
		t.Cleanup(func() {
			close(connections)
			s.Close()
		})
		transport.DialContext = connections.dial
		return transport
	}
	_, totals, _ := simulateThrough(t, Load{RateRPS: 500, TimeoutMS: 2000, MaxInFlight: 8}, 7999*time.Millisecond, throughHTTP, oversleep{})
	if p95, p99 := quantile(totals.Latency, 0.95), quantile(totals.Latency, 0.99); p95 < 190 || p95 > 215 || p99 < 350 || p99 > 375 {
		t.Errorf("from the intended time: P95 %g ms, P99 %g ms", p95, p99)
	}
	if p95, p99 := quantile(totals.ServiceTime, 0.95), quantile(totals.ServiceTime, 0.99); p95 > 2 || p99 > 2 {
		t.Errorf("the service time: P95 %g ms, P99 %g ms", p95, p99)
	}
	if totals.Sent != 4000 || totals.Statuses["200"] != 4000 || totals.Late != 0 {
		t.Errorf("%+v", totals)
	}
}

// Three agents that share a load begin in the same second, and their requests are due in turn.
func TestSeveralAgentsShareALoad(t *testing.T) {
	const aheadS, rateRPS, agents = 2, 30.0, 3
	start := float64(time.Date(2000, 1, 1, 0, 0, aheadS, 0, time.UTC).Unix()) // fake time begins at midnight
	var mu sync.Mutex
	var due []time.Duration
	for k := range agents {
		l := Load{RateRPS: rateRPS / agents, TimeoutMS: 400, StartUnixS: start, FirstAfterMS: float64(k) * 1000 / rateRPS}
		seen := service(func(now time.Duration) time.Duration {
			mu.Lock()
			defer mu.Unlock()
			due = append(due, now)
			return time.Millisecond
		})
		seconds, totals, _ := simulate(t, l, (aheadS+3)*time.Second-time.Millisecond, seen, oversleep{})
		if len(seconds) != 3 || totals.StartUnixS != start || totals.Late != 0 {
			t.Fatalf("agent %d: %d seconds, start %f, %d late", k, len(seconds), totals.StartUnixS, totals.Late)
		}
		for i, s := range seconds {
			if s.Intended != rateRPS/agents {
				t.Errorf("agent %d, second %d: %d requests", k, i, s.Intended)
			}
		}
	}
	slices.Sort(due)
	for i, at := range due {
		want := aheadS*time.Second + time.Duration(float64(i)/rateRPS*float64(time.Second))
		if d := at - want; d < -time.Microsecond || d > time.Microsecond {
			t.Fatalf("request %d was sent at %v, want %v", i, at, want)
		}
	}
}

// The first request of a slow load may be due seconds after its start; those seconds are empty and come in time.
func TestSecondsBeforeTheFirstRequest(t *testing.T) {
	seconds, _, _ := simulate(t, Load{RateRPS: 0.25, TimeoutMS: 400, FirstAfterMS: 3000}, 3500*time.Millisecond, always(time.Millisecond), oversleep{})
	if len(seconds) != 4 || seconds[2].Intended != 0 || seconds[3].Intended != 1 {
		t.Errorf("got %+v", seconds)
	}
}

func TestAStartThatIsPastOrFarAwayIsRefused(t *testing.T) {
	for _, aheadS := range []float64{-0.1, mostAheadS + 1} {
		l := Load{URL: "http://127.0.0.1/", RateRPS: 1, TimeoutMS: 1, StartUnixS: unixS(time.Now()) + aheadS}
		_, err := New(&l, func(LoadSecond) {})
		if p := spec.ProblemOf(err); err == nil || p.Exit != spec.ExitCannotRun || !strings.Contains(p.Message, "s from now") {
			t.Errorf("%g s ahead: %v", aheadS, err)
		}
	}
}
