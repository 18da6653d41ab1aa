package steer

import (
	"errors"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"chaosgo/agent/internal/pulse"
)

const (
	// descriptorsEach is what a connection may take: its two sockets and, while the kernel moves a
	// large body for it, pipes.
	descriptorsEach = 3
	// descriptorsKept are for everything else: listeners, netlink, /proc, the next `add`.
	descriptorsKept = 64
)

// room bounds the connections of this process by the open files that it may have. Beyond, no more are
// accepted until some have ended: their clients wait, in the listener's backlog, instead of being cut
// because no connection to the service can be opened.
var room = sync.OnceValue(func() chan struct{} {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		limit.Cur = 1024
	}
	// Go has raised the soft limit to the hard one before main (package os).
	most := min(limit.Cur, 4<<20)
	return make(chan struct{}, max(4, (int(most)-descriptorsKept)/descriptorsEach))
})

// enterRoom waits for room, not longer than the loop that accepts may be silent. A full house is no hang.
func enterRoom(loop *pulse.Loop) bool {
	select {
	case room() <- struct{}{}:
		return true
	default:
	}
	select {
	case room() <- struct{}{}:
		return true
	case <-time.After(pulse.Interval):
		loop.Sign()
		return false
	}
}

func leaveRoom() { <-room() }

// dialPatiently waits for a file descriptor when there is none at the moment.
func dialPatiently(d net.Dialer, address string) (net.Conn, error) {
	for deadline := time.Now().Add(d.Timeout); ; time.Sleep(10 * time.Millisecond) {
		c, err := d.Dial("tcp", address)
		none := errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
		if !none || time.Now().After(deadline) {
			return c, err
		}
	}
}
