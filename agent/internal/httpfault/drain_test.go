package httpfault

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"chaosgo/agent/internal/spec"
	"chaosgo/agent/internal/testnet"
)

// underWay is a long answer that passes through a fault which has just ended.
type underWay struct {
	*behind
	answer *http.Response
	finish func() // lets the service write the rest
	closed chan struct{}
}

// The ways on which the long answer can pass.
func proxied(b *behind) (*spec.Way, string) { return &spec.Way{Proxy: &b.proxy}, b.proxy.Listen }
func received(b *behind) (*spec.Way, string) {
	service := netip.MustParseAddrPort(b.proxy.Upstream)
	return &spec.Way{Port: int(service.Port())}, b.proxy.Upstream
}
func called(b *behind) (*spec.Way, string) { return &spec.Way{To: b.proxy.Upstream}, b.proxy.Upstream }

func longAnswer(t *testing.T, way func(*behind) (*spec.Way, string), hurry <-chan struct{}) *underWay {
	t.Helper()
	rest := make(chan struct{})
	b := startWith(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "first ")
		w.(http.Flusher).Flush()
		select {
		case <-rest:
			fmt.Fprint(w, "last")
		case <-r.Context().Done():
		}
	})
	on, address := way(b)
	b.armOn(t, on, "x", func(h *HTTP) { h.Match = &Match{Path: "/other"} })
	answer, err := b.client.Get("http://" + address + "/")
	if err != nil {
		t.Fatal(err)
	}
	if seen := b.totals("x").Seen; seen != 1 {
		t.Fatalf("the fault saw %d requests", seen)
	}
	b.place.Disarm("x")
	u := &underWay{behind: b, answer: answer, finish: func() { close(rest) }, closed: make(chan struct{})}
	go func() {
		defer close(u.closed)
		b.close(hurry)
	}()
	return u
}

func TestAnAnswerUnderWayOutlivesTheFault(t *testing.T) { outlives(t, proxied) }

func TestAnAnswerOfAServiceOutlivesTheFault(t *testing.T) {
	if testnet.Inside(t) {
		outlives(t, received)
	}
}

func TestAnAnswerToACallerOutlivesTheFault(t *testing.T) {
	if testnet.Inside(t) {
		outlives(t, called)
	}
}

func outlives(t *testing.T, way func(*behind) (*spec.Way, string)) {
	u := longAnswer(t, way, nil)
	select {
	case <-u.closed:
		t.Error("the place was closed while an answer passed through it")
	case <-time.After(300 * time.Millisecond):
	}
	u.finish()
	body, err := io.ReadAll(u.answer.Body)
	if err != nil || string(body) != "first last" {
		t.Errorf("got %q, %v", body, err)
	}
	u.client.CloseIdleConnections()
	u.isClosed(t)
}

func TestAnAnswerUnderWayIsCutInAHurry(t *testing.T) {
	hurry := make(chan struct{})
	u := longAnswer(t, proxied, hurry)
	close(hurry)
	u.isClosed(t)
	if body, err := io.ReadAll(u.answer.Body); err == nil {
		t.Errorf("got the whole answer %q", body)
	}
}

func (u *underWay) isClosed(t *testing.T) {
	t.Helper()
	select {
	case <-u.closed:
	case <-time.After(patience):
		t.Fatal("the place was not closed")
	}
}

// A WebSocket, for example, may last for ever.
func TestDrainingIsBounded(t *testing.T) {
	p := newPlace()
	s := &endless{asked: make(chan time.Duration, 1)}
	p.steering = s
	p.Close(nil)
	if got := <-s.asked; got != drainTime || !s.ended {
		t.Errorf("drained for at most %v, ended: %v", got, s.ended)
	}
}

// endless is a steering whose connections never end by themselves.
type endless struct {
	steering
	asked chan time.Duration
	ended bool
}

func (e *endless) wait(timeout time.Duration) { e.asked <- timeout }
func (e *endless) end()                       { e.ended = true }
