package relay

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// drainBody is how much of a body we read to keep the connection of an aborted request.
	drainBody = 256 << 10
	// lingering is how long a connection may take to close after its last answer: a reset could
	// overtake the answer (RFC 9112 section 9.6).
	lingering = time.Second
)

// exchange is one client connection and its connection to the service.
type exchange struct {
	relay            *Relay
	client, upstream *net.TCPConn
	queue            *queue
	blind            atomic.Bool // requests are no longer read
	counted          sync.Once   // as passthrough
	orderly          bool        // the service ended the connection in order; read after responses
}

// ending is how the requests of a connection came to their end.
type ending uint8

const (
	finished ending = iota // the client sends no more
	answered               // we have given the last answer
	broken                 // the connection was lost
)

func (x *exchange) run() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		x.responses()
	}()
	switch x.requests() {
	case finished:
		x.upstream.CloseWrite() //nolint:errcheck // a service that is gone shows on the other side
	case answered:
		x.queue.settle()
		x.linger()
		x.upstream.Close() //nolint:errcheck // the service has nothing left to say
	case broken:
		reset(x.upstream) // as the client did to us: the service must stop working for it
	}
	<-done
	if x.orderly {
		x.linger()
	}
	x.client.Close()   //nolint:errcheck // both sides have ended
	x.upstream.Close() //nolint:errcheck // same
}

// requests relays from client to service.
func (x *exchange) requests() ending {
	in := newStream(x.client, &x.relay.Counters.BytesIn, plausibleRequest)
	defer in.free()
	for {
		raw, err := in.head()
		if err == io.EOF {
			return finished
		}
		if errors.Is(err, errForeign) {
			return x.passBlind(in)
		}
		if err != nil {
			return broken
		}
		h, ok := parseRequest(raw)
		if !ok || string(h.method) == "CONNECT" {
			return x.passBlind(in)
		}
		x.relay.Counters.Requests.Add(1)
		if end, over := x.request(in, raw, &h); over {
			return end
		}
	}
}

// request deals with one request; over tells that it was the last one to be read.
func (x *exchange) request(in *stream, raw []byte, h *head) (end ending, over bool) {
	outcome := x.relay.Decide(&Request{Method: h.method, Target: h.target, Head: raw})
	if outcome.Delay > 0 {
		begin := time.Now()
		x.relay.Sleep(outcome.Delay)
		if outcome.Delayed != nil {
			outcome.Delayed(time.Since(begin))
		}
	}
	if outcome.Abort != nil {
		return x.abort(in, h, outcome.Abort)
	}
	p := pending{headless: string(h.method) == "HEAD"}
	if h.upgrades {
		p.upgrade = make(chan bool, 1)
	}
	if x.queue.push(p) != nil {
		return broken, true
	}
	switch err := in.message(x.upstream, h); {
	case errors.Is(err, errForeign):
		return x.passBlind(in), true
	case err != nil:
		return broken, true
	}
	if p.upgrade != nil && <-p.upgrade {
		return x.passBlind(in), true
	}
	return finished, false
}

// abort answers in place of the service. The body of the request is read away first, so that the
// next request is found; a body that is long, unreadable or not sent yet ends the connection.
func (x *exchange) abort(in *stream, h *head, answer *Response) (end ending, over bool) {
	last := !h.persists() || h.expects || h.framing == byLength && h.length > drainBody
	if last {
		in.forward(nil, h.size) //nolint:errcheck // nothing is written
	} else if err := in.message(nil, h); errors.Is(err, errForeign) {
		last = true
	} else if err != nil {
		return broken, true
	}
	headless := string(h.method) == "HEAD"
	if x.queue.push(pending{answer: answer.bytes(headless, last), last: last}) != nil {
		return broken, true
	}
	return answered, last
}

// passBlind relays the rest of what the client sends, untouched and unread.
func (x *exchange) passBlind(in *stream) ending {
	x.blind.Store(true)
	x.countBlind()
	if in.rest(x.upstream) != nil {
		return broken
	}
	return finished
}

func (x *exchange) countBlind() {
	x.counted.Do(func() { x.relay.Counters.Passthrough.Add(1) })
}

// linger says that no more comes and reads what the client still sends, for a while.
func (x *exchange) linger() {
	x.client.CloseWrite()                                //nolint:errcheck // a client that is gone needs no goodbye
	x.client.SetReadDeadline(time.Now().Add(lingering))  //nolint:errcheck // a closed connection needs none
	io.Copy(io.Discard, io.LimitReader(x.client, 1<<20)) //nolint:errcheck // how it ends does not matter
}

func reset(c *net.TCPConn) {
	c.SetLinger(0) //nolint:errcheck // the connection is given up either way
	c.Close()      //nolint:errcheck // same
}
