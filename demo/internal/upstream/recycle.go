package upstream

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// DialFunc opens a connection; it has the form of http.Transport.DialContext.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

const (
	dialTimeout        = 2 * time.Second
	idleConnsPerHost   = 64 // with the default of 2, almost every request under load would open a connection
	idleTimeoutAgeless = 90 * time.Second
)

// Recycler is an http.RoundTripper that keeps connections alive, but sends no request on one older than maxAge.
// Without this limit a service keeps its connections to the same pods, even when new pods have been started.
//
// A new connection belongs to the current generation. Before a request, a generation that is too old is retired:
// its idle connections are closed at once, its busy connections as soon as their answer has been read.
// So no request in flight is broken.
type Recycler struct {
	maxAge time.Duration
	dial   DialFunc

	mu      sync.Mutex
	current *generation
}

// generation is guarded by Recycler.mu.
type generation struct {
	transport *http.Transport
	born      time.Time
	requests  int // begun, and the answer not yet read to the end
	retired   bool
}

// NewRecycler returns a Recycler. With maxAge 0 connections have no maximum age. With dial nil it uses the real
// network.
func NewRecycler(maxAge time.Duration, dial DialFunc) *Recycler {
	return &Recycler{maxAge: maxAge, dial: orReal(dial)}
}

// orReal returns dial, or for nil a DialFunc of the real network.
func orReal(dial DialFunc) DialFunc {
	if dial == nil {
		return (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	return dial
}

// RoundTrip implements http.RoundTripper.
func (r *Recycler) RoundTrip(request *http.Request) (*http.Response, error) {
	gen := r.acquire()
	response, err := gen.transport.RoundTrip(request)
	if err != nil {
		r.release(gen)
		return nil, err
	}
	release := sync.OnceFunc(func() { r.release(gen) })
	response.Body = &countedBody{ReadCloser: response.Body, release: release}
	return response, nil
}

// CloseIdleConnections closes the connections without a request in flight. http.Client calls a method of this name.
func (r *Recycler) CloseIdleConnections() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current != nil {
		r.current.transport.CloseIdleConnections()
	}
}

func (r *Recycler) acquire() *generation {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current != nil && r.maxAge > 0 && time.Since(r.current.born) >= r.maxAge {
		r.current.retired = true
		r.current.transport.CloseIdleConnections()
		r.current = nil
	}
	if r.current == nil {
		r.current = &generation{transport: r.newTransport(), born: time.Now()}
	}
	r.current.requests++
	return r.current
}

// release closes the idle connections of a retired generation when its last request is over. Closing them at the
// retirement is not enough: a request that acquired the generation just before makes its transport keep idle
// connections again.
func (r *Recycler) release(gen *generation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	gen.requests--
	if gen.retired && gen.requests == 0 {
		gen.transport.CloseIdleConnections()
	}
}

func (r *Recycler) newTransport() *http.Transport {
	idleTimeout := r.maxAge
	if idleTimeout == 0 {
		idleTimeout = idleTimeoutAgeless
	}
	return &http.Transport{
		DialContext:         r.dial,
		MaxIdleConnsPerHost: idleConnsPerHost,
		IdleConnTimeout:     idleTimeout,
		DisableCompression:  true, // answers are small, and the gateway must pass them on unchanged
	}
}

type countedBody struct {
	io.ReadCloser
	release func()
}

func (b *countedBody) Close() error {
	err := b.ReadCloser.Close()
	b.release()
	return err
}
