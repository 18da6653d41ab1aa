package httpfault

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chaosgo/agent/internal/distribution"
	"chaosgo/agent/internal/spec"
)

// behind is a service with an explicit proxy in front of it. It counts the requests at the service.
type behind struct {
	place  *place
	proxy  spec.Proxy
	served atomic.Int64
	client *http.Client
	closed sync.Once
}

// start begins with a service that answers everything.
func start(t *testing.T) *behind {
	t.Helper()
	return startWith(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "from the service") })
}

func startWith(t *testing.T, answer http.HandlerFunc) *behind {
	t.Helper()
	b := &behind{place: newPlace(), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 10}}}
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.served.Add(1)
		answer(w, r)
	}))
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.proxy = spec.Proxy{Listen: free.Addr().String(), Upstream: service.Listener.Addr().String()}
	free.Close()
	t.Cleanup(func() {
		for len(b.place.faults) > 0 {
			b.place.Disarm(b.place.faults[0].id)
		}
		b.client.CloseIdleConnections()
		b.close(nil)
		service.Close()
	})
	return b
}

// close ends the place once.
func (b *behind) close(hurry <-chan struct{}) { b.closed.Do(func() { b.place.Close(hurry) }) }

// arm puts a fault on the proxy; change edits an abort with 503 of everything.
func (b *behind) arm(t *testing.T, id string, change func(*HTTP)) *spec.Armed {
	t.Helper()
	return b.armOn(t, &spec.Way{Proxy: &b.proxy}, id, change)
}

func (b *behind) armOn(t *testing.T, way *spec.Way, id string, change func(*HTTP)) *spec.Armed {
	t.Helper()
	h := &HTTP{Percentage: 100, Abort: &HTTPAbort{Status: 503, Body: "injected"}}
	if change != nil {
		change(h)
	}
	s := &spec.Spec{Version: spec.Protocol, ID: id, Kind: Kind, DurationS: 60, Way: way, Detail: h}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	armed, err := b.place.Arm(s)
	if err != nil {
		t.Fatal(err)
	}
	return armed
}

// delayed is the delay of a fault.
func delayed(delayMS, jitterMS float64) *HTTPDelay {
	return &HTTPDelay{distribution.Delay{DelayMS: delayMS, JitterMS: jitterMS}}
}

func (b *behind) get(t *testing.T, path string, headers ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://"+b.proxy.Listen+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w, err := b.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.StatusCode, string(body)
}

func (b *behind) totals(id string) *HTTPTotals {
	return b.place.Report(id, false).(*HTTPTotals)
}

func TestAbortAnswersBeforeTheServiceWorks(t *testing.T) {
	b := start(t)
	b.arm(t, "users-503", func(h *HTTP) { h.Abort.Headers = map[string]string{"Retry-After": "1"} })
	if status, body := b.get(t, "/"); status != 503 || body != "injected" {
		t.Errorf("got %d %q", status, body)
	}
	if n := b.served.Load(); n != 0 {
		t.Errorf("the service saw %d requests", n)
	}
	if got := b.totals("users-503"); got.Seen != 1 || got.Matched != 1 || got.Aborted != 1 || got.Connections != 1 {
		t.Errorf("counted %+v", got)
	}
}

func TestOnlyWhatMatchesIsFaulted(t *testing.T) {
	b := start(t)
	b.arm(t, "x", func(h *HTTP) {
		h.Match = &Match{Path: "/api/v1/users/.*", Method: "GET", Headers: map[string]string{"x-tenant": "a.*"}}
	})
	for _, c := range []struct {
		path, tenant string
		want         int
	}{
		{"/api/v1/users/7", "acme", 503},
		{"/api/v1/users/7?verbose=1", "acme", 503},
		{"/api/v1/users/7", "zeta", 200},
		{"/v2/api/v1/users/7", "acme", 200},
		{"/api/v1/users", "acme", 200},
	} {
		if status, _ := b.get(t, c.path, "X-Tenant", c.tenant); status != c.want {
			t.Errorf("%s for %s: got %d, want %d", c.path, c.tenant, status, c.want)
		}
	}
	if got := b.totals("x"); got.Seen != 5 || got.Matched != 2 || got.Aborted != 2 {
		t.Errorf("counted %+v", got)
	}
}

// statuses of n requests, as a string of one letter each.
func (b *behind) statuses(t *testing.T, n int) string {
	var s strings.Builder
	for range n {
		status, _ := b.get(t, "/")
		s.WriteByte("p?a"[status/100-2-status/500])
	}
	return s.String()
}

func TestSeedDecidesWhichRequests(t *testing.T) {
	half := func(seed uint64) func(*HTTP) {
		return func(h *HTTP) { h.Percentage, h.Seed = 50, seed }
	}
	var runs []string
	for _, seed := range []uint64{7, 7, 8} {
		b := start(t)
		if armed := b.arm(t, "x", half(seed)); armed.Seed != seed {
			t.Errorf("reported the seed %d, not %d", armed.Seed, seed)
		}
		runs = append(runs, b.statuses(t, 64))
		if got := b.totals("x"); got.Matched != 64 || got.Aborted != 64-uint64(b.served.Load()) {
			t.Errorf("counted %+v, the service saw %d", got, b.served.Load())
		}
	}
	if runs[0] != runs[1] {
		t.Errorf("one seed, two courses:\n%s\n%s", runs[0], runs[1])
	}
	if runs[0] == runs[2] {
		t.Errorf("two seeds, one course: %s", runs[0])
	}
}

func TestSeedIsDrawnAndReported(t *testing.T) {
	b := start(t)
	if armed := b.arm(t, "x", nil); armed.Seed == 0 || armed.Steering != "proxy" {
		t.Errorf("got %+v", armed)
	}
}

func TestDelayHoldsAndReportsWhatItObtained(t *testing.T) {
	b := start(t)
	b.arm(t, "slow", func(h *HTTP) {
		h.Abort, h.Delay = nil, delayed(30, 10)
	})
	for range 5 {
		if status, body := b.get(t, "/"); status != 200 || body != "from the service" {
			t.Errorf("got %d %q", status, body)
		}
	}
	got := b.totals("slow")
	if got.Delayed != 5 || got.DelayAskedMS < 20 || got.DelayAskedMS > 40 {
		t.Errorf("counted %+v", got)
	}
	if got.DelayObtainedMS < got.DelayAskedMS || got.DelayObtainedMaxMS < got.DelayObtainedMS {
		t.Errorf("asked for a mean of %g ms, obtained %g, at most %g", got.DelayAskedMS, got.DelayObtainedMS, got.DelayObtainedMaxMS)
	}
}

func TestFaultsOfOnePlaceComposeAndEndAlone(t *testing.T) {
	b := start(t)
	b.arm(t, "slow", func(h *HTTP) { h.Abort, h.Delay = nil, delayed(5, 0) })
	b.arm(t, "b-503", func(h *HTTP) { h.Match = &Match{Path: "/b"} })
	if status, _ := b.get(t, "/a"); status != 200 {
		t.Errorf("/a got %d", status)
	}
	if status, _ := b.get(t, "/b"); status != 503 {
		t.Errorf("/b got %d", status)
	}
	if slow, abort := b.totals("slow"), b.totals("b-503"); slow.Delayed != 2 || abort.Aborted != 1 {
		t.Errorf("slow %+v, b-503 %+v", slow, abort)
	}
	b.place.Disarm("b-503")
	if status, _ := b.get(t, "/b"); status != 200 {
		t.Errorf("/b got %d after the end of its fault", status)
	}
	if got := b.totals("b-503"); got.Aborted != 1 || got.Seen != 2 {
		t.Errorf("the totals of the ended fault are now %+v", got)
	}
}

func TestNothingListensAfterTheLastFault(t *testing.T) {
	b := start(t)
	b.arm(t, "x", nil)
	b.place.Disarm("x")
	if c, err := net.Dial("tcp", b.proxy.Listen); err == nil {
		c.Close()
		t.Error("the explicit proxy still listens")
	}
}

func TestAnotherPlaceNeedsAnotherAgent(t *testing.T) {
	b := start(t)
	b.arm(t, "x", nil)
	way := &spec.Way{Proxy: &spec.Proxy{Listen: "127.0.0.1:1", Upstream: b.proxy.Upstream}}
	h := &HTTP{Percentage: 1, Abort: &HTTPAbort{Status: 503}}
	if _, err := b.place.Arm(&spec.Spec{ID: "y", Way: way, Detail: h}); err == nil {
		t.Error("one agent held two places")
	}
}

func TestPlaceInUseIsRefusedAndNothingStays(t *testing.T) {
	b := start(t)
	taken, err := net.Listen("tcp", b.proxy.Listen)
	if err != nil {
		t.Fatal(err)
	}
	h := &HTTP{Percentage: 1, Abort: &HTTPAbort{Status: 503}}
	_, err = b.place.Arm(&spec.Spec{ID: "x", Way: &spec.Way{Proxy: &b.proxy}, Detail: h})
	if err == nil || !strings.Contains(err.Error(), b.proxy.Listen) {
		t.Errorf("got %v", err)
	}
	taken.Close()
	b.arm(t, "x", nil) // the lock was released, too
}

func TestServiceThatIsDownIsDownForTheClient(t *testing.T) {
	b := start(t)
	b.proxy.Upstream = "127.0.0.1:1"
	b.arm(t, "x", func(h *HTTP) { h.Match = &Match{Path: "/never"} })
	if w, err := b.client.Get("http://" + b.proxy.Listen + "/"); err == nil {
		w.Body.Close()
		t.Errorf("got %d from a service that is down", w.StatusCode)
	}
}

// patience bounds every wait of these tests.
const patience = 20 * time.Second
