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
	idleConnsPerHost   = 64 // the default of 2 would open a connection for almost every request under load
	idleTimeoutAgeless = 90 * time.Second
)

// Recycler is an http.RoundTripper that keeps connections alive, but sends no request on one older than maxAge.
// Without that limit a service talks to the same pods for ever, however many new ones were started.
//
// Connections are born into the current generation. A generation that is too old is retired before the next
// request: its idle connections are closed, its busy ones as soon as their answer has been read.
// So no request in flight is ever broken.
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
	requests  int // begun and not yet read to the end
	retired   bool
}

// NewRecycler returns a Recycler. maxAge 0 keeps connections as long as they work; dial nil uses the real network.
func NewRecycler(maxAge time.Duration, dial DialFunc) *Recycler {
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	return &Recycler{maxAge: maxAge, dial: dial}
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

// CloseIdleConnections closes the connections that carry no request; http.Client calls it by this name.
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

// release closes what a retired generation still holds once its last request is over. Once is not enough: a request
// that was acquired just before the retirement makes its transport keep idle connections again.
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
		DisableCompression:  true, // answers are small; a proxy must pass them on as they are
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
