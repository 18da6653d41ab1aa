// Package http1 is the relay for HTTP/1.x. It may hold a request, answer it, or change its answer.
//
//	client ── requests ──> relay ──> service     raw bytes; only message heads are parsed
//	client <── answers ─── relay <── service     in the order of their requests
//
// Each client connection has one connection to the service. Bytes that are no HTTP/1.x, or that two
// implementations might read in two ways, are not refused: the rest of the connection is relayed
// unread. That is safe, because such bytes reach no other client's connection, as without the relay.
package http1

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"chaosgo/agent/internal/relay"
)

// idleGrace is how long after Drain a connection without a request is left open. A client may be about
// to use it. If we closed at once, the client would lose its next request, and clients do not repeat a
// POST.
const idleGrace = 2 * time.Second

// Relay relays any number of connections. Set every exported field before the first Serve.
type Relay struct {
	// Decide judges each request before the service sees any of it.
	Decide relay.Decider
	// Counters counts what happens. Several relays may share it.
	Counters *relay.Counters
	// MaxConnections bounds the connections that are read and judged at a time. Those beyond it are
	// relayed unread, so that the relay refuses nobody. 0 is no bound.
	MaxConnections int

	halfOpen time.Duration // shorter in tests; 0 is defaultHalfOpenTime
	draining atomic.Bool
	mu       sync.Mutex
	live     map[*pair]struct{}
	empty    chan struct{} // closed when live gets empty; nil while nobody waits
}

// Serve relays between a client and its connection to the service. It returns when both directions
// have ended and both connections are closed.
func (r *Relay) Serve(client, upstream *net.TCPConn) {
	p := newPair(r, client, upstream)
	r.Counters.Connections.Add(1)
	if !r.enter(p) {
		p.leaveUnread(relay.PassOverLimit)
	}
	defer r.leave(p)
	p.run()
}

// Drain makes every connection end without losing a request. The next answer announces `Connection:
// close` (RFC 9112 section 9.6), and a connection without a request is closed after idleGrace. Drain
// returns at once; Wait waits for the end.
func (r *Relay) Drain() {
	if !r.draining.Swap(true) {
		time.AfterFunc(idleGrace, r.closeIdle)
	}
}

// Wait returns when no connection is left, or after timeout. It returns how many are left.
func (r *Relay) Wait(timeout time.Duration) (left int) {
	r.mu.Lock()
	if len(r.live) == 0 {
		r.mu.Unlock()
		return 0
	}
	if r.empty == nil {
		r.empty = make(chan struct{})
	}
	empty := r.empty
	r.mu.Unlock()

	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-empty:
	case <-timer.C:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.live)
}

// CloseAll closes every connection that is left, whatever it is doing.
func (r *Relay) CloseAll() {
	for _, p := range r.connections() {
		p.close()
	}
}

func (r *Relay) halfOpenTime() time.Duration {
	if r.halfOpen > 0 {
		return r.halfOpen
	}
	return defaultHalfOpenTime
}

func (r *Relay) closeIdle() {
	for _, p := range r.connections() {
		p.endIfIdle()
	}
}

func (r *Relay) connections() []*pair {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*pair, 0, len(r.live))
	for p := range r.live {
		all = append(all, p)
	}
	return all
}

// enter adds a connection and reports whether it is within the bound.
func (r *Relay) enter(p *pair) (within bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live == nil {
		r.live = make(map[*pair]struct{})
	}
	r.live[p] = struct{}{}
	return r.MaxConnections == 0 || len(r.live) <= r.MaxConnections
}

func (r *Relay) leave(p *pair) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.live, p)
	if len(r.live) == 0 && r.empty != nil {
		close(r.empty)
		r.empty = nil
	}
}
