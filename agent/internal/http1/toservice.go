package http1

import (
	"errors"
	"io"

	"chaosgo/agent/internal/relay"
)

// maxDiscard is how much of an aborted request's body is read away so that the connection can stay
// open. A longer one is answered at once, and the connection closed.
const maxDiscard = 256 << 10

// Why no more requests are relayed, besides the errors of reading and writing.
var (
	// errAnsweredLast: our answer, now in the pipeline, is the last one.
	errAnsweredLast = errors.New("the last answer is ours")
	// errLeft: the client went away while its request was held.
	errLeft = errors.New("the client left")
)

// toService relays requests until the client sends no more or the service takes no more, and then
// ends that direction the way it was ended to us: FIN for FIN, reset for reset.
func (p *pair) toService() {
	in := newStream(p.client, &p.relay.Counters.BytesIn, nil)
	defer in.release()
	err := p.relayRequests(in)
	var deaf writeError
	switch {
	case errors.Is(err, errAnsweredLast):
		p.endAnswered(in)
	case errors.Is(err, io.EOF), errors.Is(err, errLeft), isOverdue(err):
		p.service.CloseWrite() //nolint:errcheck // a service that is gone shows in its answers
	case errors.As(err, &deaf):
		// The service may have answered before it closed, and that answer still be under way.
		p.service.CloseWrite() //nolint:errcheck // most likely gone
		p.discardInput()
	case errors.Is(err, errRefused):
		p.limit(lingerTime) // the client has been told that no answer will come
		p.discardInput()
	default:
		reset(p.service)
	}
}

// relayRequests relays one request after the other; it returns with the reason why there are no
// more, io.EOF if the client has simply ended.
func (p *pair) relayRequests(in *stream) error {
	for {
		if in.empty() {
			p.pipeline.done()
		}
		if err := in.await(); err != nil {
			return err
		}
		blind, err := p.pipeline.begin()
		if err != nil {
			return err
		}
		if blind {
			return p.passBlind(in, p.pipeline.reason())
		}
		if err := p.relayRequest(in); err != nil {
			return err
		}
	}
}

// relayRequest relays, holds or answers the request that has begun to come in.
func (p *pair) relayRequest(in *stream) error {
	raw, err := in.head(mayBeRequest)
	if errors.Is(err, errForeign) {
		return p.passBlind(in, passReasonOf(in))
	}
	if err != nil {
		return err
	}
	skip := emptyLines(raw)
	raw = raw[skip:]
	h, ok := parseRequest(raw)
	if !ok {
		return p.passBlind(in, relay.PassAmbiguous)
	}
	if string(h.method) == "CONNECT" {
		return p.passBlind(in, relay.PassConnect)
	}
	p.relay.Counters.Requests.Add(1)
	headless := string(h.method) == "HEAD"
	p.fields = raw
	p.request = relay.Request{Method: h.method, Target: h.target, Fields: &p.fields}
	outcome := p.relay.Decide(&p.request)
	size := skip + h.size
	if outcome.Hold != nil {
		// A client that closes meanwhile has left, as one with a shorter timeout than the delay does:
		// the service hears of it now, and of the request never.
		if p.whileWatching(in, true, outcome.Hold) {
			return errLeft
		}
	}
	if outcome.Abort != nil {
		return p.abort(in, size, &h, outcome.Abort, headless)
	}
	return p.forward(in, size, &h, exchange{headless: headless, edits: outcome.Edits})
}

// forward passes one request on.
func (p *pair) forward(in *stream, size int, h *head, e exchange) error {
	if h.upgrades {
		e.switched = make(chan bool, 1)
	}
	err := p.pipeline.push(e)
	if err == nil {
		err = in.message(p.service, size, h)
	}
	switch {
	case errors.Is(err, errUnordered):
		return p.passBlind(in, p.pipeline.reason())
	case errors.Is(err, errForeign):
		return p.passBlind(in, relay.PassAmbiguous)
	}
	if err != nil || e.switched == nil {
		return err
	}
	// Only the answer tells in which protocol the client goes on.
	var switched bool
	p.whileWatching(in, false, func(<-chan struct{}) { switched = <-e.switched })
	if switched {
		return p.passBlind(in, p.pipeline.reason())
	}
	return nil
}

// abort answers in place of the service. The request is read away first, or the rest of it would be
// taken for the next one; if that may take long or for ever, the connection ends instead.
func (p *pair) abort(in *stream, size int, h *head, answer *relay.Response, headless bool) error {
	last := h.closes || h.minor == 0 || p.relay.draining.Load()
	complete, err := in.discard(size, h)
	if err != nil {
		return err
	}
	last = last || !complete
	err = p.pipeline.push(exchange{answer: responseBytes(answer, headless, last)})
	if err == nil && last {
		return errAnsweredLast
	}
	return err
}

// discard throws away a request. complete is false if its end was not reached: because the client
// may wait for `100 Continue` before it sends the body (RFC 9110 section 10.1.1), because it is too
// long, or because it is not framed as its head says.
func (s *stream) discard(size int, h *head) (complete bool, err error) {
	switch {
	case h.body == noBody:
		return true, s.pass(nil, size)
	case h.expects || h.body == byLength && h.length > maxDiscard:
		return false, nil
	case h.body == byLength:
		return true, s.counted(nil, int64(size)+h.length)
	}
	return s.discardChunks(size)
}

func (s *stream) discardChunks(headSize int) (complete bool, err error) {
	var scanner chunkScanner
	for skip, total := headSize, 0; total <= maxDiscard; skip = 0 {
		n, done, ok := scanner.scan(s.unread()[skip:])
		s.start += skip + n
		if done || !ok {
			return done, nil
		}
		total += n
		if err := s.fill(); err != nil {
			return false, err
		}
	}
	return false, nil
}

// endAnswered ends the connection behind an answer of ours, once those before it are written.
func (p *pair) endAnswered(in *stream) {
	p.whileWatching(in, false, func(<-chan struct{}) { p.pipeline.settle() })
	p.ending.Store(true)
	p.service.Close()     //nolint:errcheck // it has answered all that it was asked
	p.client.CloseWrite() //nolint:errcheck // a client that is gone needs no goodbye
	p.limit(lingerTime)
	p.discardInput()
}
