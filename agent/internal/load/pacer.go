package load

import (
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// pacer says when each request is due.
type pacer interface {
	// run calls due at the intended time of every request, until stop. Intended times are
	// origin + i/rate, so that no error adds up.
	run(origin time.Time, rateRPS float64, due func(intended, next time.Time))
	stop()
}

// threadPacer sleeps in a thread of its own, because a timer of the Go runtime is up to a
// millisecond late and the latency that is measured would include that.
type threadPacer struct {
	stopped atomic.Bool
	sleep   func(time.Duration)
}

// longestNap bounds how long a stop may take.
const longestNap = 20 * time.Millisecond

func newPacer() pacer { return &threadPacer{sleep: nap} }

func (p *threadPacer) run(origin time.Time, rateRPS float64, due func(intended, next time.Time)) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Let the kernel wake this thread within a nanosecond instead of 50 us (prctl(2)).
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) //nolint:errcheck // only less precise without it
	for i := 0; ; i++ {
		intended := intendedTime(origin, rateRPS, i)
		if !p.await(intended) {
			return
		}
		due(intended, intendedTime(origin, rateRPS, i+1))
	}
}

func (p *threadPacer) stop() { p.stopped.Store(true) }

// await sleeps until t; false when the pacer was stopped.
func (p *threadPacer) await(t time.Time) bool {
	for !p.stopped.Load() {
		left := time.Until(t)
		if left <= 0 {
			return true
		}
		p.sleep(min(left, longestNap))
	}
	return false
}

func intendedTime(origin time.Time, rateRPS float64, i int) time.Time {
	return origin.Add(time.Duration(float64(i) / rateRPS * float64(time.Second)))
}

func nap(d time.Duration) {
	t := unix.NsecToTimespec(d.Nanoseconds())
	unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &t, nil) //nolint:errcheck // woken early, the caller looks again
}
