package delay

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// patience bounds every wait of these tests; a correct timer never needs it.
const patience = 20 * time.Second

func TestQueueGivesTheNextFirst(t *testing.T) {
	var q queue
	random := rand.New(rand.NewPCG(1, 2))
	start := time.Unix(1000, 0)
	var removed []*sleeper
	for i := range 1000 {
		s := &sleeper{until: start.Add(time.Duration(random.IntN(100)) * time.Second)}
		before, some := q.first()
		if first := q.add(s); first != (!some || s.until.Before(before)) {
			t.Fatalf("sleeper %d for %v: first is %v, before it was %v", i, s.until, first, before)
		}
		if i%3 == 0 {
			removed = append(removed, s)
		}
	}
	for _, s := range removed {
		q.remove(s)
		q.remove(s) // a second time does nothing
	}
	var last *sleeper
	n := 0
	for now := start; now.Before(start.Add(100 * time.Second)); now = now.Add(time.Second) {
		for s := q.due(now); s != nil; s = q.due(now) {
			if s.until != now || last != nil && last.until == s.until && last.order > s.order {
				t.Fatalf("at %v came %+v behind %+v", now, s, last)
			}
			last = s
			n++
		}
	}
	if _, some := q.first(); some || n != 1000-len(removed) {
		t.Errorf("%d of %d woke up, some are left: %v", n, 1000-len(removed), some)
	}
}

func newTimer(t *testing.T) *Timer {
	t.Helper()
	timer, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(timer.Close)
	return timer
}

// ends waits until f returns.
func ends(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan bool)
	go func() {
		f()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s never ended", what)
	}
}

func TestNoHoldEndsEarly(t *testing.T) {
	timer := newTimer(t)
	var all sync.WaitGroup
	for i := range 2000 {
		d := time.Duration(i%97) * time.Millisecond
		all.Go(func() {
			begin := time.Now()
			timer.Until(begin.Add(d), nil, nil)
			if got := time.Since(begin); got < d {
				t.Errorf("asked for %v, got %v", d, got)
			}
		})
	}
	ends(t, "one of many holds", all.Wait)
	if _, some := timer.queue.first(); some {
		t.Error("a hold that is over is still in line")
	}
}

// The thread must wake holds without the timer of the runtime. It must look again when a hold comes
// that ends before the one that it sleeps for.
func TestTheThreadWakesASoonerHold(t *testing.T) {
	timer := newTimer(t)
	late := &sleeper{until: time.Now().Add(time.Hour), wake: make(chan struct{})}
	soon := &sleeper{until: time.Now().Add(2 * time.Millisecond), wake: make(chan struct{})}
	timer.add(late)
	timer.add(soon)
	ends(t, "the sooner hold", func() { <-soon.wake })
	if time.Now().Before(soon.until) {
		t.Error("it ended early")
	}
	select {
	case <-late.wake:
		t.Error("the later hold ended, too")
	default:
	}
}

func TestChannelsEndOnlyTheirOwnHolds(t *testing.T) {
	timer := newTimer(t)
	released, gone, other := make(chan struct{}), make(chan struct{}), make(chan struct{})
	hour := time.Now().Add(time.Hour)
	var mine, others sync.WaitGroup
	for range 500 {
		mine.Go(func() { timer.Until(hour, released, nil) })
		mine.Go(func() { timer.Until(hour, nil, gone) })
		others.Go(func() { timer.Until(hour, other, other) })
	}
	close(released)
	close(gone)
	ends(t, "a hold whose channel is closed", mine.Wait)
	timer.mu.Lock()
	left := len(timer.queue.heap)
	timer.mu.Unlock()
	if left > 500 {
		t.Errorf("%d holds are left of 500", left)
	}
	close(other)
	ends(t, "the others", others.Wait)
}

func TestCloseEndsAllAndLaterHoldsAtOnce(t *testing.T) {
	timer := newTimer(t)
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() { timer.Until(time.Now().Add(time.Hour), nil, nil) })
	}
	timer.Close()
	ends(t, "a hold of a closed timer", all.Wait)
	ends(t, "a hold that begins later", func() { timer.Until(time.Now().Add(time.Hour), nil, nil) })
	timer.Close() // a second time does nothing
}
