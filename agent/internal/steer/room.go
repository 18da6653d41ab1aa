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
	// descriptorsEach is how many a connection may need: two sockets and, while the kernel moves a
	// large body for it, a pipe.
	descriptorsEach = 3
	// descriptorsKept are left for everything else: listeners, netlink, /proc, the next `add`.
	descriptorsKept = 64
)

// room bounds the connections of this process by the files that it may open. At the limit no more are
// accepted until some have ended. Their clients wait in the backlog of the listener. Otherwise they
// would be cut, because no connection to the service can be opened.
var room = sync.OnceValue(func() chan struct{} {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		limit.Cur = 1024
	}
	// Go has raised the soft limit to the hard one before main (package os).
	most := min(limit.Cur, 4<<20)
	return make(chan struct{}, max(4, (int(most)-descriptorsKept)/descriptorsEach))
})

// enterRoom waits for room, but no longer than one interval: at the limit the loop still signs,
// because being full is not hanging.
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

// dialPatiently dials again while the process or the host has no free file descriptor.
func dialPatiently(d net.Dialer, address string) (net.Conn, error) {
	for deadline := time.Now().Add(d.Timeout); ; time.Sleep(10 * time.Millisecond) {
		c, err := d.Dial("tcp", address)
		none := errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
		if !none || time.Now().After(deadline) {
			return c, err
		}
	}
}
