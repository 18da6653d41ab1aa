package http1

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"chaosgo/agent/internal/relay"
)

const (
	// lingerTime is how long a client may take to close after our last answer. Closing at once could
	// reset the connection before the client has read the answer (RFC 9112 section 9.6).
	lingerTime = time.Second
	// defaultHalfOpenTime is how long a client may go on sending after the service has closed. It is as
	// long as the kernel keeps a closed socket in FIN_WAIT2 (tcp_fin_timeout in tcp(7)).
	defaultHalfOpenTime = time.Minute
)

// past is a deadline that makes a read return at once.
var past = time.Unix(1, 0)

// pair is one client connection and its connection to the service.
type pair struct {
	relay           *Relay
	client, service *net.TCPConn
	pipeline        *pipeline
	request         relay.Request // the request that is being judged
	fields          fields        // its header fields
	counted         sync.Once     // as relayed unread
	blind           atomic.Bool
	// ending means that we end the connection ourselves. What one side does then is not passed on to
	// the other.
	ending atomic.Bool

	mu          sync.Mutex
	deadline    time.Time // of reads from the client; zero is none
	interrupted bool      // the deadline is set to the past for now
}

func newPair(r *Relay, client, service *net.TCPConn) *pair {
	return &pair{relay: r, client: client, service: service, pipeline: newPipeline(client, &r.Counters.BytesOut)}
}

// run relays both directions until both have ended.
func (p *pair) run() {
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		p.toClient()
	}()
	p.toService()
	<-answered
	p.close()
}

// leaveUnread makes both directions be relayed unread from their first byte on.
func (p *pair) leaveUnread(why relay.PassReason) {
	p.pipeline.giveUpOrder(why)
	p.countBlind(why)
}

// close closes both connections. It may be called twice.
func (p *pair) close() {
	p.ending.Store(true)
	p.client.Close()  //nolint:errcheck // given up either way
	p.service.Close() //nolint:errcheck // same
}

// endIfIdle ends the connection if no request is coming in and none waits for its answer.
func (p *pair) endIfIdle() {
	if !p.pipeline.refuseIfIdle() {
		return
	}
	p.ending.Store(true)
	p.client.CloseWrite() //nolint:errcheck // a client that is gone needs no goodbye
	p.limit(lingerTime)
	p.service.CloseWrite()                                //nolint:errcheck // same for the service
	p.service.SetReadDeadline(time.Now().Add(lingerTime)) //nolint:errcheck // a closed connection needs none
}

// limit bounds how long the client is still read.
func (p *pair) limit(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadline = time.Now().Add(d)
	if !p.interrupted {
		p.client.SetReadDeadline(p.deadline) //nolint:errcheck // a closed connection needs none
	}
}

// interrupt(true) makes reads from the client return at once; interrupt(false) lets them wait again.
func (p *pair) interrupt(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.interrupted = on
	deadline := p.deadline
	if on {
		deadline = past
	}
	p.client.SetReadDeadline(deadline) //nolint:errcheck // a closed connection needs none
}

// countBlind counts the connection as relayed unread, once.
func (p *pair) countBlind(why relay.PassReason) {
	p.blind.Store(true)
	p.counted.Do(func() { p.relay.Counters.Passthrough[why].Add(1) })
}

// discardInput reads what the client still sends. Unread bytes would turn our close into a reset.
func (p *pair) discardInput() {
	io.Copy(io.Discard, p.client) //nolint:errcheck // how it ends does not matter
}

// reset closes with a RST, so that the other side stops working for this connection.
func reset(c *net.TCPConn) {
	c.SetLinger(0) //nolint:errcheck // given up either way
	c.Close()      //nolint:errcheck // same
}

// isOverdue reports whether a deadline of ours has passed. A TCP timeout is another error.
func isOverdue(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
