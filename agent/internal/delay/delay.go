// Package delay holds goroutines up for a time, more exactly than the timers of the Go runtime. Those
// are up to a few milliseconds late, by an amount that differs from run to run.
//
// A thread of its own sleeps in ppoll(2) until the next hold is over. Its timer slack is 1 ns instead
// of 50 us (PR_SET_TIMERSLACK in prctl(2)). An eventfd(2) wakes it when a hold comes that ends sooner.
// While every processor of the runtime is busy, the thread has to wait for one. Then the timer of the
// runtime is sooner, because every processor looks at it. So each hold has both, and the first one
// ends it. `make bench` prints how exact delays are, and BenchmarkLateness what this package adds.
package delay

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Timer ends any number of holds.
type Timer struct {
	wakeup int // an eventfd: a write makes the thread look at the queue again
	ended  chan struct{}

	mu     sync.Mutex
	queue  queue
	closed bool
}

// New starts the thread. It fails when the process may not open another file.
func New() (*Timer, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("no eventfd to time delays with: %w", err)
	}
	t := &Timer{wakeup: fd, ended: make(chan struct{})}
	go t.run()
	return t, nil
}

// Until returns at the given time, or at once when one of the channels or the timer is closed. A nil
// channel is never closed.
func (t *Timer) Until(until time.Time, released, gone <-chan struct{}) {
	s := &sleeper{until: until, wake: make(chan struct{})}
	if !t.add(s) {
		return
	}
	second := time.NewTimer(time.Until(until))
	defer second.Stop()
	select {
	case <-s.wake:
		return
	case <-second.C:
	case <-released:
	case <-gone:
	}
	t.mu.Lock()
	t.queue.remove(s)
	t.mu.Unlock()
}

// Close ends every hold and then the thread.
func (t *Timer) Close() {
	t.mu.Lock()
	closed := t.closed
	t.closed = true
	t.mu.Unlock()
	if !closed {
		t.kick()
		<-t.ended
		unix.Close(t.wakeup) //nolint:errcheck // nobody uses it any more
	}
}

// add queues a hold. It returns false when the timer is closed.
func (t *Timer) add(s *sleeper) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	if t.queue.add(s) {
		t.kick()
	}
	return true
}

// kick makes the thread look at the queue. The counter of the eventfd cannot overflow, because the
// thread resets it.
func (t *Timer) kick() {
	one := [8]byte{1}
	unix.Write(t.wakeup, one[:]) //nolint:errcheck // EAGAIN means that the thread is awake already
}

// run is the thread.
func (t *Timer) run() {
	runtime.LockOSThread() // never unlocked: the slack belongs to the thread, which ends with run
	defer close(t.ended)
	// While it sleeps the thread keeps a processor of the runtime, until the monitor of the runtime
	// takes it away after up to 10 ms. One more processor makes up for it.
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	defer func() { runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) - 1) }()
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) //nolint:errcheck // without it delays are less exact
	for {
		next, woken, open := t.wakeDue()
		if !open {
			return
		}
		if woken {
			// The goroutines that were woken wait for the processor of this thread. Without this they
			// would get it only when the monitor of the runtime takes it away, up to 10 ms later.
			runtime.Gosched()
		}
		t.sleep(next)
	}
}

// wakeDue ends the holds whose time has come. It returns the time of the next one, or zero if there is
// none. When the timer is closed it ends all holds, and open is false.
func (t *Timer) wakeDue() (next time.Time, woken, open bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if t.closed {
		now = now.Add(365 * 24 * time.Hour) // later than any hold
	}
	for s := t.queue.due(now); s != nil; s = t.queue.due(now) {
		close(s.wake)
		woken = true
	}
	next, _ = t.queue.first()
	return next, woken, !t.closed
}

// sleep returns at the given time, after a kick, or early: the caller has to look at the queue again.
func (t *Timer) sleep(until time.Time) {
	var timeout *unix.Timespec // nil is for ever
	if !until.IsZero() {
		left := unix.NsecToTimespec(max(0, time.Until(until)).Nanoseconds())
		timeout = &left
	}
	poll := []unix.PollFd{{Fd: int32(t.wakeup), Events: unix.POLLIN}}
	if n, err := unix.Ppoll(poll, timeout, nil); err == nil && n > 0 {
		var count [8]byte
		unix.Read(t.wakeup, count[:]) //nolint:errcheck // nothing to read is fine
	}
}
