package steer

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"chaosgo/agent/internal/spec"
)

// Caller is one process whose calls are faulted. Its connections are recognised by the inodes of its
// sockets.
type Caller struct {
	mu sync.Mutex
	// fds is its /proc/PID/fd. While it is open it cannot become that of a later process with the same
	// pid.
	fds *os.File
}

// FindCaller opens a process of this network namespace. Before that it checks that the kernel tells
// which socket a connection to the listeners belongs to.
func FindCaller(pid int, l *Listeners) (*Caller, error) {
	if err := l.checkDiag(); err != nil {
		return nil, err
	}
	return openCaller(pid)
}

func openCaller(pid int) (*Caller, error) {
	const fix = "give the pid of the running process whose calls are meant, in the network namespace of the fault"
	text := strconv.Itoa(pid)
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
	if errors.Is(err, os.ErrNotExist) {
		return nil, spec.Bad("way.caller_pid", text, "there is no such process", fix)
	}
	if err != nil {
		return nil, spec.Bad("way.caller_pid", text, err.Error(), "run as root: its sockets must be seen")
	}
	if ours, err := os.Readlink("/proc/self/ns/net"); err != nil || ours != theirs {
		return nil, spec.Bad("way.caller_pid", text, "it is in another network namespace", fix+" (--netns-pid)")
	}
	fds, err := os.Open(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return nil, spec.Bad("way.caller_pid", text, err.Error(), "run as root: its sockets must be seen")
	}
	c := &Caller{fds: fds}
	if _, err := c.sockets(); err != nil {
		return nil, errors.Join(spec.Bad("way.caller_pid", text, err.Error(), "run as root: its sockets must be seen"), fds.Close())
	}
	return c, nil
}

// Close closes what FindCaller opened.
func (c *Caller) Close() {
	c.fds.Close() //nolint:errcheck // read only
}

// Owns reports whether the caller has the socket with these two addresses.
func (c *Caller) Owns(local, remote netip.AddrPort) bool {
	inode, err := inodeOf(local, remote)
	if err != nil {
		return false
	}
	own, err := c.sockets()
	return err == nil && own[inode]
}

// sockets returns the inodes of the sockets of the process; none when it has ended.
func (c *Caller) sockets() (map[uint32]bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.fds.Seek(0, 0); err != nil {
		return nil, err
	}
	names, err := c.fds.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	own := map[uint32]bool{}
	link := make([]byte, 64)
	for _, name := range names {
		n, err := unix.Readlinkat(int(c.fds.Fd()), name, link)
		if err != nil {
			continue // it was closed meanwhile
		}
		text, isSocket := strings.CutPrefix(string(link[:n]), "socket:[")
		if inode, err := strconv.ParseUint(strings.TrimSuffix(text, "]"), 10, 32); isSocket && err == nil {
			own[uint32(inode)] = true
		}
	}
	return own, nil
}

// checkDiag opens a connection of our own and checks that the kernel finds its socket.
func (l *Listeners) checkDiag() error {
	for _, listener := range []*net.TCPListener{l.v4, l.v6} {
		if listener == nil {
			continue
		}
		c, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			return spec.CannotRun(err.Error(), "bring the interface lo up")
		}
		defer c.Close() //nolint:errcheck // only made to be looked up
		local, remote := c.LocalAddr().(*net.TCPAddr).AddrPort(), c.RemoteAddr().(*net.TCPAddr).AddrPort()
		if _, err := inodeOf(local, remote); err != nil {
			return spec.CannotRun("this kernel does not tell whose a connection is: "+err.Error(),
				"load the module tcp_diag, or fault the calls of every process here: to/HOST:PORT")
		}
	}
	return nil
}
