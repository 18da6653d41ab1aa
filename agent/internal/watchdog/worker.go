package watchdog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"chaosgo/agent/internal/pulse"
)

// Parent is the watchdog as its worker sees it.
type Parent struct {
	signs *os.File
	hangs chan struct{} // closed when the parent hangs
}

var attached bool

// PID is the process id of the agent: that of the watchdog, which the control plane has started.
func PID() int {
	if attached {
		return os.Getppid()
	}
	return os.Getpid()
}

// Attach connects the worker with its watchdog, which receives the pulse of this process from now on.
// It returns after the first beat of the watchdog, which is confined by then.
func Attach() (*Parent, error) {
	const signsFD, beatsFD = 3, 4
	for _, fd := range []int{signsFD, beatsFD} {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
			return nil, errors.New("a worker is started by `chaos-agent fault` only")
		}
	}
	p := &Parent{signs: os.NewFile(signsFD, "signs"), hangs: make(chan struct{})}
	attached = true
	nameProcess()
	pulse.Each(func() { p.say(beat) })
	beats := bytesOf(os.NewFile(beatsFD, "beats"))
	if !comes(beats, startLimit) {
		return nil, fmt.Errorf("the watchdog gave no sign in %v", startLimit*pulse.Interval)
	}
	go p.watch(beats)
	return p, nil
}

// Bound returns a copy of in that also ends when the parent hangs. The end of the input means that the
// control plane is gone.
func (p *Parent) Bound(in io.Reader) io.Reader {
	r, w := io.Pipe()
	go func() {
		io.Copy(w, in) //nolint:errcheck // any error is the end of the input
		w.Close()      //nolint:errcheck // never fails
	}()
	go func() {
		<-p.hangs
		w.Close() //nolint:errcheck // never fails
	}()
	return r
}

// Leave says that this process is about to exit. It kills a parent that hangs, so that it does not
// stay behind.
func (p *Parent) Leave() {
	p.say(bye)
	select {
	case <-p.hangs:
		unix.Kill(os.Getppid(), unix.SIGKILL) //nolint:errcheck // this process ends with it
	default:
	}
}

func (p *Parent) say(what byte) {
	p.signs.Write([]byte{what}) //nolint:errcheck // a parent that is gone takes this process with it
}

func (p *Parent) watch(beats <-chan byte) {
	for comes(beats, silenceLimit) {
	}
	close(p.hangs)
}

// comes waits for a beat and reports whether it came within so many intervals. When the parent is
// gone, it does not return and kills this process silently: a fault whose agent was killed must not
// look as if it ended normally. The kernel kills the worker too, but only after it has closed the
// pipe, and not at all when the program has file capabilities (PR_SET_PDEATHSIG in prctl(2)).
func comes(beats <-chan byte, intervals int) bool {
	tick := time.NewTicker(pulse.Interval)
	defer tick.Stop()
	for left := intervals; left >= 0; {
		select {
		case _, ok := <-beats:
			if !ok {
				unix.Kill(unix.Getpid(), unix.SIGKILL) //nolint:errcheck // always allowed
				select {}                              // until the signal has arrived
			}
			return true
		case <-tick.C:
			left--
		}
	}
	return false
}

// bytesOf sends every byte of f to the channel, and closes it at the end of f.
func bytesOf(f *os.File) <-chan byte {
	c := make(chan byte)
	go func() {
		defer close(c)
		one := make([]byte, 1)
		for {
			if _, err := f.Read(one); err != nil {
				return
			}
			c <- one[0]
		}
	}()
	return c
}
