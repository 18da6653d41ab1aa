package httpfault

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"chaosgo/agent/internal/delay"
)

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// Both faults hold for a minute, longer than the patience of this test.
func TestTheEndOfAFaultReleasesWhatOnlyItHolds(t *testing.T) {
	b := start(t)
	for id, path := range map[string]string{"a": "/a.*", "b": "/.*b"} {
		b.arm(t, id, func(h *HTTP) {
			h.Match, h.Abort, h.Delay = &Match{Path: path}, nil, delayed(60_000, 0)
		})
	}
	answered := make(chan string, 3)
	for _, path := range []string{"/a", "/b", "/ab"} {
		go func() {
			w, err := b.client.Get("http://" + b.proxy.Listen + path)
			if err != nil || w.StatusCode != 200 {
				t.Errorf("%s: %v", path, err)
			} else {
				w.Body.Close()
			}
			answered <- path
		}()
	}
	until(t, "all are held", func() bool { return b.totals("a").Delayed == 2 && b.totals("b").Delayed == 2 })
	b.place.Disarm("a")
	select {
	case path := <-answered:
		if path != "/a" || b.served.Load() != 1 {
			t.Errorf("%s was released, the service saw %d", path, b.served.Load())
		}
	case <-time.After(patience):
		t.Fatal("the end of a fault did not release what it held")
	}
	b.place.Disarm("b")
	for range 2 {
		select {
		case <-answered:
		case <-time.After(patience):
			t.Fatal("the end of the last fault did not release everything")
		}
	}
	if got := b.totals("b"); got.DelayObtainedMaxMS > 60_000 {
		t.Errorf("obtained %+v", got)
	}
}

// The service does not see the request, and the hold ends when its client goes away.
func TestAClientThatLeavesEndsItsHold(t *testing.T) {
	b := start(t)
	b.arm(t, "slow", func(h *HTTP) { h.Abort, h.Delay = nil, delayed(60_000, 0) })
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+b.proxy.Listen, strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error)
	go func() {
		_, err := b.client.Do(r)
		failed <- err
	}()
	until(t, "it is held", func() bool { return b.totals("slow").Delayed == 1 })
	leave()
	if err := <-failed; err == nil {
		t.Error("the client did not leave")
	}
	if left := b.place.relay.Wait(patience); left != 0 {
		t.Errorf("%d connections are left", left)
	}
	if n := b.served.Load(); n != 0 {
		t.Errorf("the service saw %d requests", n)
	}
}

// Nothing but the client ends the first of the two, and the second must not even begin.
func TestHoldEndsWhenItsClientIsGone(t *testing.T) {
	timer, err := delay.New()
	if err != nil {
		t.Fatal(err)
	}
	defer timer.Close()
	first, second := &fault{over: make(chan struct{})}, &fault{over: make(chan struct{})}
	gone, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		hold(timer, []share{{first, time.Hour}, {second, time.Hour}}, gone)
	}()
	select {
	case <-ended:
		t.Fatal("the hold ended before its client was gone")
	case <-time.After(50 * time.Millisecond):
	}
	close(gone)
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("the hold goes on for a client that is gone")
	}
	if first.ended != 1 || second.ended != 0 {
		t.Errorf("%d and %d delays have ended", first.ended, second.ended)
	}
}

func TestDelaysOfOneRequestAddUp(t *testing.T) {
	b := start(t)
	for _, id := range []string{"a", "b"} {
		b.arm(t, id, func(h *HTTP) { h.Abort, h.Delay = nil, delayed(20, 0) })
	}
	begin := time.Now()
	b.get(t, "/")
	if took := time.Since(begin); took < 40*time.Millisecond {
		t.Errorf("held for %v by two faults of 20 ms", took)
	}
	for _, id := range []string{"a", "b"} {
		if got := b.totals(id); got.DelayAskedMS != 20 || got.DelayObtainedMS < 20 {
			t.Errorf("%s: %+v", id, got)
		}
	}
}
