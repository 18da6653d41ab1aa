package steer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"chaosgo/agent/internal/pulse"
	"chaosgo/agent/internal/spec"
)

// Listeners accept intercepted connections. They are on loopback, so that nothing outside of this
// network namespace can reach them. The listener of a family that the host lacks is nil.
type Listeners struct {
	v4, v6 *net.TCPListener

	loops   sync.WaitGroup // the loops that accept
	handled sync.WaitGroup // the connections that were accepted
}

// ListenTransparent opens listeners for TPROXY, on a free port each.
func ListenTransparent() (*Listeners, error) {
	return listen(net.ListenConfig{Control: transparent})
}

// ListenRedirected opens listeners for connections whose destination the kernel has rewritten.
func ListenRedirected() (*Listeners, error) { return listen(net.ListenConfig{}) }

func listen(config net.ListenConfig) (*Listeners, error) {
	l := &Listeners{}
	v4, err4 := config.Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err4 == nil {
		l.v4 = v4.(*net.TCPListener)
	}
	v6, err6 := config.Listen(context.Background(), "tcp6", "[::1]:0")
	if err6 == nil {
		l.v6 = v6.(*net.TCPListener)
	}
	switch {
	case errors.Is(err4, unix.EPERM) || errors.Is(err6, unix.EPERM):
		l.Close()
		return nil, explain(unix.EPERM)
	case l.v4 == nil && l.v6 == nil:
		return nil, spec.CannotRun("cannot listen on loopback: "+errors.Join(err4, err6).Error(),
			"bring the interface lo up")
	}
	return l, nil
}

// Accept calls handle for every intercepted connection, in a goroutine of its own, until Close. A
// connection to the listener itself was not intercepted; it is reset.
func (l *Listeners) Accept(handle func(*net.TCPConn)) {
	l.accept(func(listener *net.TCPListener, c *net.TCPConn) {
		if c.LocalAddr().String() == listener.Addr().String() {
			Reset(c)
			return
		}
		handle(c)
	})
}

// AcceptRedirected does the same for redirected connections, and passes the address that the client
// has dialled.
func (l *Listeners) AcceptRedirected(handle func(*net.TCPConn, netip.AddrPort)) {
	l.accept(func(_ *net.TCPListener, c *net.TCPConn) {
		to, err := originalDestination(c)
		if err != nil {
			Reset(c)
			return
		}
		handle(c, to)
	})
}

func (l *Listeners) accept(handle func(*net.TCPListener, *net.TCPConn)) {
	for _, listener := range l.all() {
		l.loops.Go(func() {
			accept(listener, &l.handled, func(c *net.TCPConn) { handle(listener, c) })
		})
	}
}

func (l *Listeners) all() []*net.TCPListener {
	var all []*net.TCPListener
	for _, listener := range []*net.TCPListener{l.v4, l.v6} {
		if listener != nil {
			all = append(all, listener)
		}
	}
	return all
}

// addresses returns where the listeners are.
func (l *Listeners) addresses() []netip.AddrPort {
	var all []netip.AddrPort
	for _, listener := range l.all() {
		at := listener.Addr().(*net.TCPAddr).AddrPort()
		all = append(all, netip.AddrPortFrom(at.Addr().Unmap(), at.Port()))
	}
	return all
}

// ports returns, for each address, the port of the listener of the same family.
func (l *Listeners) ports(to []netip.AddrPort) ([]int, error) {
	var all []int
	for _, address := range to {
		listener := l.v4
		if address.Addr().Is6() {
			listener = l.v6
		}
		if listener == nil {
			return nil, spec.CannotRun(fmt.Sprintf("%s is of a family that has no loopback here", address),
				"bring the interface lo up, or give another address")
		}
		all = append(all, listener.Addr().(*net.TCPAddr).Port)
	}
	return all, nil
}

// Close accepts the connections that wait, because the kernel would reset them, and stops listening.
// Connections that were accepted stay open. Remove the rules that lead here before.
func (l *Listeners) Close() {
	for _, listener := range l.all() {
		for deadline := time.Now().Add(time.Second); waiting(listener) > 0 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		listener.Close() //nolint:errcheck // a closed listener is all we want
	}
	ended(&l.loops, time.Second) // a loop that waits for room may take longer
}

// Handled waits, after Close, until every accepted connection has ended. It returns false at the
// timeout.
func (l *Listeners) Handled(timeout time.Duration) bool { return ended(&l.handled, timeout) }

func ended(all *sync.WaitGroup, timeout time.Duration) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		all.Wait()
	}()
	select {
	case <-done:
		return true
	case <-time.After(timeout):
		return false
	}
}

// waiting returns how many connections wait to be accepted. For a listener the kernel puts that number
// into this field (tcp_get_info).
func waiting(l *net.TCPListener) uint32 {
	raw, err := l.SyscallConn()
	if err != nil {
		return 0
	}
	var n uint32
	raw.Control(func(fd uintptr) { //nolint:errcheck // a closed listener has none
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.SOL_TCP, unix.TCP_INFO); err == nil {
			n = info.Unacked
		}
	})
	return n
}

// ListenExplicit opens the listener of an explicit proxy.
func ListenExplicit(address string) (*net.TCPListener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, spec.CannotRun(address+" is in use", "choose a free port to listen on")
	}
	if err != nil {
		return nil, spec.CannotRun(err.Error(), "choose a loopback address to listen on")
	}
	return l.(*net.TCPListener), nil
}

// AcceptExplicit calls handle for every connection until the listener is closed.
func AcceptExplicit(l *net.TCPListener, handle func(*net.TCPConn)) {
	go accept(l, &sync.WaitGroup{}, handle)
}

// accept counts every connection in handled. It signs after each, and after every interval without
// one.
func accept(l *net.TCPListener, handled *sync.WaitGroup, handle func(*net.TCPConn)) {
	loop := pulse.Watch()
	defer loop.Leave()
	for {
		if !enterRoom(loop) {
			if l.SetDeadline(time.Time{}) != nil {
				return // it was closed
			}
			continue
		}
		l.SetDeadline(time.Now().Add(pulse.Interval)) //nolint:errcheck // AcceptTCP fails with the same error
		c, err := l.AcceptTCP()
		loop.Sign()
		if err == nil {
			handled.Go(func() {
				defer leaveRoom()
				handle(c)
			})
			continue
		}
		leaveRoom()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case !errors.Is(err, os.ErrDeadlineExceeded):
			// No file descriptor is free, or the client has left. The next accept may succeed.
			time.Sleep(time.Millisecond)
		}
	}
}
