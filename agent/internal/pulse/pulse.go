// Package pulse beats as long as every loop that carries traffic answers. What must not outlive a
// hung process is renewed by the beat and by nothing else.
package pulse

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Interval is the time from beat to beat. A loop gives a sign at least as often.
const Interval = 200 * time.Millisecond

// patience is how old the last sign of a loop may be: one that came late is no hang.
const patience = 2 * Interval

// Loop is one loop that has to answer. Its signs may come from any goroutine.
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

// Watch makes the pulse depend on a loop, until Leave.
func Watch() *Loop {
	l := &Loop{}
	l.Sign()
	mu.Lock()
	defer mu.Unlock()
	loops = append(loops, l)
	return l
}

// Sign tells that the loop has come round.
func (l *Loop) Sign() {
	now := time.Now()
	l.last.Store(&now)
}

// Leave ends the watch: the loop has ended in order.
func (l *Loop) Leave() {
	mu.Lock()
	defer mu.Unlock()
	loops = slices.DeleteFunc(loops, func(other *Loop) bool { return other == l })
}

// Each calls f at every beat, now first, in the order of the calls of Each. An f that does not
// return stops the pulse. After stop has returned f is not called any more.
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
