package http1

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

// connectionClose makes an answer the last one of its connection.
const connectionClose = "Connection: close\r\n"

var (
	// errRelayedLast: we have announced, with the answer just relayed, that no more come.
	errRelayedLast = errors.New("the last answer is relayed")
	// errMisplaced: an answer of ours waits behind one whose end cannot be found.
	errMisplaced = errors.New("an answer of ours has no place any more")
)

// toClient relays answers until the service gives no more or the client takes no more.
func (p *pair) toClient() {
	out := newStream(p.service, &p.relay.Counters.BytesOut)
	defer out.release()
	err := p.relayAnswers(out)
	p.queue.end()
	switch {
	case p.ending.Load():
	case errors.Is(err, errRelayedLast):
		p.client.CloseWrite() //nolint:errcheck // a client that is gone needs no goodbye
		p.limit(lingerTime)
	case errors.Is(err, io.EOF):
		p.client.CloseWrite() //nolint:errcheck // same
		if !p.blind.Load() {
			p.limit(halfOpenTime)
		}
	default: // one side is gone without a goodbye, and the other one has to know it
		reset(p.client)
		reset(p.service)
	}
}

// relayAnswers returns with the reason why there are no more answers, io.EOF if the service has
// simply ended.
func (p *pair) relayAnswers(out *stream) error {
	for {
		if err := out.await(); err != nil {
			return err
		}
		raw, err := out.head(mayBeAnswer)
		if err != nil && !errors.Is(err, errForeign) {
			return err
		}
		e, asked := p.queue.front()
		if err != nil || !asked {
			return p.answerBlind(out)
		}
		h, ok := parseAnswer(raw)
		if !ok {
			return p.answerBlind(out)
		}
		if err := p.relayAnswer(out, &h, e); err != nil {
			return err
		}
	}
}

// relayAnswer relays one answer: to the request in front, interim ones (1xx) included.
func (p *pair) relayAnswer(out *stream, h *head, e exchange) error {
	switch {
	case h.status == http.StatusSwitchingProtocols:
		return p.answerBlind(out)
	case h.status < 200:
		return out.pass(p.client, h.size) // the final answer is still to come
	case e.headless, h.status == http.StatusNoContent, h.status == http.StatusNotModified:
		h.body = noBody // RFC 9112 section 6.3, rule 1
	}
	if e.switched != nil {
		e.switched <- false
	}
	size, last := h.size, false
	if p.relay.draining.Load() && h.body != untilClose {
		if last = p.queue.refuseBehindFront(); last {
			if err := p.announceEnd(out, h); err != nil {
				return err
			}
			size = 0
		}
	}
	err := out.message(p.client, size, h)
	if errors.Is(err, errForeign) {
		return p.answerBlind(out)
	}
	if err == nil {
		err = p.queue.pop()
	}
	if err == nil && last {
		return errRelayedLast
	}
	return err
}

// announceEnd passes on the head in front with the word that the connection ends behind this answer:
// as the first header line, because some clients heed only the first of its name.
func (p *pair) announceEnd(out *stream, h *head) error {
	raw := out.unread()[:h.size]
	if h.closes {
		return out.pass(p.client, h.size)
	}
	status := bytes.IndexByte(raw, '\n') + 1
	changed := make([]byte, 0, h.size+len(connectionClose))
	changed = append(changed, raw[:status]...)
	changed = append(changed, connectionClose...)
	changed = append(changed, raw[status:]...)
	out.start += h.size
	if _, err := p.client.Write(changed); err != nil {
		return writeError{err}
	}
	return nil
}
