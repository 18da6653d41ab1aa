package http1

import (
	"errors"
	"io"

	"chaosgo/agent/internal/relay"
)

// maxDiscard is how much of the body of an aborted request is read and dropped to keep the connection
// open. With a longer body the answer is sent at once and the connection closed.
const maxDiscard = 256 << 10

// Reasons for relaying no more requests, besides errors of reading and writing.
var (
	// errAnsweredLast means that our answer, which is in the pipeline, is the last one.
	errAnsweredLast = errors.New("the last answer is ours")
	// errLeft means that the client left while its request was held.
	errLeft = errors.New("the client left")
)

// toService relays requests until the client sends no more or the service takes no more. It passes the
// end on as it came: a FIN as a FIN, a reset as a reset.
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
		// The service may have answered before it closed, and the answer may still be on its way.
		p.service.CloseWrite() //nolint:errcheck // most likely gone
		p.discardInput()
	case errors.Is(err, errRefused):
		p.limit(lingerTime) // the client knows that no answer will come
		p.discardInput()
	default:
		reset(p.service)
	}
}

// relayRequests relays one request after the other. It returns why there are no more: io.EOF when the
// client has closed.
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

// relayRequest relays, holds or answers the request that is coming in.
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
		// A client that closes now has given up, for instance because its timeout is shorter than the
		// delay. The service sees the end of the connection at once, and never sees the request.
		if p.whileWatching(in, true, outcome.Hold) {
			return errLeft
		}
	}
	if outcome.Abort != nil {
		return p.abort(in, size, &h, outcome.Abort, headless)
	}
	return p.forward(in, size, &h, exchange{headless: headless, edits: outcome.Edits})
}

// forward passes one request on to the service.
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
	// The answer decides in which protocol the client goes on.
	var switched bool
	p.whileWatching(in, false, func(<-chan struct{}) { switched = <-e.switched })
	if switched {
		return p.passBlind(in, p.pipeline.reason())
	}
	return nil
}

// abort answers in place of the service. It reads the request to its end first, because the rest would
// be taken for the next request. If that could take long or for ever, it ends the connection instead.
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

// discard drops a request. complete is false if its end was not reached: the client may wait for `100
// Continue` before it sends the body (RFC 9110 section 10.1.1), the body may be too long, or its
// framing may be invalid.
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

// endAnswered ends the connection after an answer of ours, when all answers before it are written.
func (p *pair) endAnswered(in *stream) {
	p.whileWatching(in, false, func(<-chan struct{}) { p.pipeline.settle() })
	p.ending.Store(true)
	p.service.Close()     //nolint:errcheck // it has answered every request
	p.client.CloseWrite() //nolint:errcheck // a client that is gone needs no FIN
	p.limit(lingerTime)
	p.discardInput()
}
