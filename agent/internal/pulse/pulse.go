// Package pulse calls functions at a regular beat, as long as every loop that carries traffic runs.
// Whatever must not outlive a hung process is renewed by the beat and by nothing else.
package pulse

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Interval is the time between two beats. A loop signs at least once in an interval.
const Interval = 200 * time.Millisecond

// patience is how old the last sign of a loop may be. It is longer than an interval, so that a late
// sign does not count as a hang.
const patience = 2 * Interval

// Loop is one loop that has to sign. Its signs may come from any goroutine.
type Loop struct {
	last atomic.Pointer[time.Time]
}

type beat struct{ f func() }

var (
	start sync.Once
	mu    sync.Mutex
	loops []*Loop
	beats []*beat
)

// Watch stops the beat whenever this loop does not sign, until Leave.
func Watch() *Loop {
	l := &Loop{}
	l.Sign()
	mu.Lock()
	defer mu.Unlock()
	loops = append(loops, l)
	return l
}

// Sign says that the loop is running.
func (l *Loop) Sign() {
	now := time.Now()
	l.last.Store(&now)
}

// Leave ends the watch, because the loop has ended as it should.
func (l *Loop) Leave() {
	mu.Lock()
	defer mu.Unlock()
	loops = slices.DeleteFunc(loops, func(other *Loop) bool { return other == l })
}

// Each calls f at every beat, in the order in which Each was called. The first call is at the next
// beat. An f that does not return stops all beats. f is not called any more once stop has returned.
func Each(f func()) (stop func()) {
	b := &beat{f}
	mu.Lock()
	beats = append(beats, b)
	mu.Unlock()
	start.Do(func() { go run() })
	return func() {
		mu.Lock()
		defer mu.Unlock()
		beats = slices.DeleteFunc(beats, func(other *beat) bool { return other == b })
	}
}

func run() {
	for tick := time.Tick(Interval); ; <-tick {
		beatOnce()
	}
}

func beatOnce() {
	mu.Lock()
	defer mu.Unlock()
	for _, l := range loops {
		if time.Since(*l.last.Load()) > patience {
			return
		}
	}
	for _, b := range beats {
		b.f()
	}
}
