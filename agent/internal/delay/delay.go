// Package delay holds goroutines up for a time, more exactly than the timers of the Go runtime,
// which are up to a few milliseconds late and late differently from run to run.
//
// One thread of its own sleeps in ppoll(2) until the next hold is over. It asks the kernel for a
// timer slack of 1 ns instead of 50 us (PR_SET_TIMERSLACK in prctl(2)); an eventfd(2) wakes it when
// a hold comes that ends sooner. While every processor of the runtime is busy the thread has to wait
// for one; then the runtime's own timer, which any of them looks at, is sooner. The first of the two
// ends a hold. `make bench` prints how exact delays are, BenchmarkLateness what this package adds.
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
	wakeup int // an eventfd; written to when the thread has to look at the queue again
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

// Until returns at the given time, or at once when one of the channels is closed or the timer is.
// A nil channel never ends a hold.
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

// add puts a hold in line; false when the timer is closed.
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

// kick makes the thread look at the queue. Its counter cannot overflow: the thread takes it back.
func (t *Timer) kick() {
	one := [8]byte{1}
	unix.Write(t.wakeup, one[:]) //nolint:errcheck // EAGAIN tells that the thread is woken already
}

// run is the thread.
func (t *Timer) run() {
	runtime.LockOSThread() // and never unlocked: the slack is the thread's, which ends with run
	defer close(t.ended)
	// The thread keeps a processor of the runtime while it sleeps, until the runtime's monitor takes it
	// away, up to 10 ms later. With one more the others lack none.
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	defer func() { runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) - 1) }()
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) //nolint:errcheck // only less exact without it
	for {
		next, woken, open := t.wakeDue()
		if !open {
			return
		}
		if woken {
			// They wait for the processor that this thread has. Entering ppoll with it would keep it
			// from them until the runtime's monitor takes it away, up to 10 ms later.
			runtime.Gosched()
		}
		t.sleep(next)
	}
}

// wakeDue ends the holds whose time has come and gives the time of the next one, zero for none.
// When the timer is closed it ends all, and open is false.
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

// sleep returns at the given time, after a kick, or for no reason: the caller looks again.
func (t *Timer) sleep(until time.Time) {
	var timeout *unix.Timespec // nil is for ever
	if !until.IsZero() {
		left := unix.NsecToTimespec(max(0, time.Until(until)).Nanoseconds())
		timeout = &left
	}
	poll := []unix.PollFd{{Fd: int32(t.wakeup), Events: unix.POLLIN}}
	if n, err := unix.Ppoll(poll, timeout, nil); err == nil && n > 0 {
		var count [8]byte
		unix.Read(t.wakeup, count[:]) //nolint:errcheck // nothing to read is as good
	}
}
