// Package pipenet is a network inside one process, for tests with the fake clock of testing/synctest. A goroutine
// that waits on a socket stops that clock; one that waits on a net.Pipe does not.
package pipenet

import (
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"
)

// Network connects dialers to listeners by host name.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*listener
}

// New returns a network without listeners.
func New() *Network {
	return &Network{listeners: map[string]*listener{}}
}

// Listen opens the address "host:80" and returns its listener.
func (n *Network) Listen(host string) net.Listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := &listener{address: host + ":80", accept: make(chan net.Conn), closed: make(chan struct{})}
	n.listeners[l.address] = l
	return l
}

// Dial connects to a listener. It has the signature of http.Transport.DialContext.
func (n *Network) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[address]
	n.mu.Unlock()
	if l == nil {
		return nil, refused(address)
	}
	client, server := net.Pipe()
	select {
	case l.accept <- server:
		return client, nil
	case <-l.closed:
		return nil, refused(address)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func refused(address string) error {
	return fmt.Errorf("dial %s: %w", address, syscall.ECONNREFUSED)
}

type listener struct {
	address string
	accept  chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.accept:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return addr(l.address) }

type addr string

func (addr) Network() string  { return "pipe" }
func (a addr) String() string { return string(a) }
