package http1

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"

	"chaosgo/agent/internal/relay"
)

// connectionClose announces that an answer is the last one of its connection.
const connectionClose = "Connection: close\r\n"

var (
	// errRelayedLast means that the answer just relayed announced the end of the connection.
	errRelayedLast = errors.New("the last answer is relayed")
	// errMisplaced means that an answer of ours waits for one whose end cannot be found.
	errMisplaced = errors.New("an answer of ours has no place any more")
)

// toClient relays answers until the service sends no more or the client takes no more.
func (p *pair) toClient() {
	out := newStream(p.service, nil, &p.relay.Counters.BytesOut)
	defer out.release()
	err := p.relayAnswers(out)
	p.pipeline.end()
	switch {
	case p.ending.Load():
	case errors.Is(err, errRelayedLast):
		p.client.CloseWrite() //nolint:errcheck // a client that is gone needs no FIN
		p.limit(lingerTime)
	case errors.Is(err, io.EOF):
		p.client.CloseWrite() //nolint:errcheck // same
		if !p.blind.Load() {
			p.limit(p.relay.halfOpenTime())
		}
	default: // one side ended with an error, and the other one has to know it
		reset(p.client)
		reset(p.service)
	}
}

// relayAnswers relays one answer after the other. It returns why there are no more: io.EOF when the
// service has closed.
func (p *pair) relayAnswers(out *stream) error {
	for {
		if err := out.await(); err != nil {
			return err
		}
		raw, err := out.head(mayBeAnswer)
		if err != nil && !errors.Is(err, errForeign) {
			return err
		}
		if err != nil {
			return p.answerBlind(out, passReasonOf(out))
		}
		e, asked := p.pipeline.front()
		if !asked {
			return p.answerBlind(out, relay.PassOther)
		}
		h, ok := parseAnswer(raw)
		if !ok {
			return p.answerBlind(out, relay.PassAmbiguous)
		}
		if err := p.relayAnswer(out, &h, e); err != nil {
			return err
		}
	}
}

// relayAnswer relays one answer, which belongs to the first request of the pipeline. It may be an
// interim one (1xx).
func (p *pair) relayAnswer(out *stream, h *head, e exchange) error {
	switch {
	case h.status == http.StatusSwitchingProtocols:
		return p.answerBlind(out, relay.PassUpgrade)
	case h.status < 200:
		return out.pass(p.client, h.size) // the final answer follows
	case e.headless, h.status == http.StatusNoContent, h.status == http.StatusNotModified:
		h.body = noBody // RFC 9112 section 6.3, rule 1
	}
	if e.switched != nil {
		e.switched <- false
	}
	if len(e.edits) > 0 {
		r := rewrite(e.edits, out.unread()[:h.size], h, e.headless)
		if r != nil && r.replace {
			return p.replaceAnswer(out, h, r)
		}
		return p.passAnswer(out, h, r)
	}
	return p.passAnswer(out, h, nil)
}

// passAnswer relays one answer, with the head of r unless r is nil.
func (p *pair) passAnswer(out *stream, h *head, r *rewriting) error {
	size := h.size
	last := p.relay.draining.Load() && h.body != untilClose && p.pipeline.refuseBehindFront()
	if last || r != nil {
		raw := out.unread()[:size]
		if r != nil {
			raw = r.head
		}
		if err := p.writeHead(raw, last && !h.closes); err != nil {
			return err
		}
		out.start += size
		size = 0
		r.tell()
	}
	err := out.message(p.client, size, h)
	if errors.Is(err, errForeign) {
		return p.answerBlind(out, relay.PassAmbiguous)
	}
	if err == nil {
		err = p.pipeline.pop()
	}
	if err == nil && last {
		return errRelayedLast
	}
	return err
}

// writeHead writes a head. If last, it adds `Connection: close` as the first header line, because some
// clients read only the first Connection field.
func (p *pair) writeHead(raw []byte, last bool) error {
	if last {
		status := bytes.IndexByte(raw, '\n') + 1
		raw = slices.Concat(raw[:status], []byte(connectionClose), raw[status:])
	}
	n, err := p.client.Write(raw)
	p.relay.Counters.BytesOut.Add(uint64(n))
	if err != nil {
		return writeError{err}
	}
	return nil
}
