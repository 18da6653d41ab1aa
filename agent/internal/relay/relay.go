// Package relay relays HTTP/1.x connections one to one and may answer or hold single requests.
//
//	client ──requests──> relay ──> service      bytes pass unchanged, only heads are read
//	client <──answers─── relay <── service      answers keep the order of their requests
//
// Whatever is not plain HTTP/1.x, or could be read in two ways, is relayed blindly from there on:
// with one connection to the service per client connection nobody else can be harmed by it.
package relay

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Request is what a Decider may look at; the slices are valid only during the call.
type Request struct {
	Method, Target []byte
	// Head is the raw head with its empty line.
	Head []byte
}

// Path gives the path of the target: without query, and without scheme and authority of the
// absolute form (RFC 9112 section 3.2).
func (r *Request) Path() string {
	path := r.Target
	if i := bytes.Index(path, []byte("://")); i > 0 && path[0] != '/' {
		path = path[i+3:]
		slash := bytes.IndexByte(path, '/')
		if slash < 0 {
			return "/"
		}
		path = path[slash:]
	}
	path, _, _ = bytes.Cut(path, []byte("?"))
	return string(path)
}

// Header gives the trimmed values of all header lines with this name, in any case.
func (r *Request) Header(name string) []string {
	var values []string
	_, fields, _ := cutLine(r.Head)
	for len(fields) > 0 {
		line, rest, ok := cutLine(fields)
		if !ok || len(line) == 0 {
			break
		}
		if found, value, ok := cutField(line); ok && bytes.EqualFold(found, []byte(name)) {
			values = append(values, string(value))
		}
		fields = rest
	}
	return values
}

// Outcome is what happens to one request. The zero value passes it on.
type Outcome struct {
	// Delay holds the request before the service sees it.
	Delay time.Duration
	// Abort answers it; the service never sees it.
	Abort *Response
	// Delayed, when set, is told how long the request was really held.
	Delayed func(obtained time.Duration)
}

// Decider judges every request. It is called from many goroutines.
type Decider func(*Request) Outcome

// Counters of a relay since it was made.
type Counters struct {
	Connections atomic.Uint64 // that were relayed
	Requests    atomic.Uint64 // whose heads were read
	Passthrough atomic.Uint64 // connections relayed blindly, from some byte on
	BytesIn     atomic.Uint64 // from clients
	BytesOut    atomic.Uint64 // to clients
}

// Relay relays any number of connections. All fields must be set before the first Serve.
type Relay struct {
	Decide   Decider
	Counters *Counters
	// Sleep holds a request.
	Sleep func(time.Duration)

	draining atomic.Bool
	mu       sync.Mutex
	live     map[*exchange]struct{}
}

// Serve relays one client connection to its own connection to the service, until both have ended.
func (r *Relay) Serve(client, upstream *net.TCPConn) {
	x := &exchange{relay: r, client: client, upstream: upstream, queue: newQueue(client, &r.Counters.BytesOut)}
	r.Counters.Connections.Add(1)
	r.mu.Lock()
	if r.live == nil {
		r.live = map[*exchange]struct{}{}
	}
	r.live[x] = struct{}{}
	r.mu.Unlock()
	x.run()
	r.mu.Lock()
	delete(r.live, x)
	r.mu.Unlock()
}

// Drain makes the next answer on each connection its last one, without a reset.
func (r *Relay) Drain() { r.draining.Store(true) }

// Wait waits until every connection has ended, at most so long, and gives how many are left.
func (r *Relay) Wait(timeout time.Duration) int {
	const look = 5 * time.Millisecond
	for deadline := time.Now().Add(timeout); ; time.Sleep(look) {
		if n := r.count(); n == 0 || time.Now().After(deadline) {
			return n
		}
	}
}

// CloseAll ends the connections that are left; those without a request under way without a reset.
func (r *Relay) CloseAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for x := range r.live {
		x.client.Close()   //nolint:errcheck // the connection is given up either way
		x.upstream.Close() //nolint:errcheck // same
	}
}

func (r *Relay) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.live)
}
