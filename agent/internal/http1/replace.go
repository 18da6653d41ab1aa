package http1

import "time"

// replaceWait is how long the client waits for the end of a body that is replaced.
const replaceWait = 250 * time.Millisecond

// replaceAnswer sends the client an answer with another body. The service's own is read away first,
// so that its next answer is found; if that takes long or for ever, as a stream of events does, the
// client gets its answer now and the connection ends behind it.
func (p *pair) replaceAnswer(out *stream, h *head, r *rewriting) error {
	whole, err := p.dropBody(out, h)
	if err != nil {
		return err
	}
	last := !whole
	if last {
		p.pipeline.refuse()
	} else {
		last = p.relay.draining.Load() && p.pipeline.refuseBehindFront()
	}
	if err := p.writeHead(append(r.head, r.body...), last && !h.closes); err != nil {
		return err
	}
	r.tell()
	if whole {
		err = p.pipeline.pop()
	}
	if err == nil && last {
		return errRelayedLast
	}
	return err
}

// dropBody throws the answer in front away; whole is false if it does not get to its end.
func (p *pair) dropBody(out *stream, h *head) (whole bool, err error) {
	if h.body == untilClose {
		return false, nil
	}
	p.service.SetReadDeadline(time.Now().Add(replaceWait)) //nolint:errcheck // a closed connection needs none
	whole, err = out.discard(h.size, h)
	p.service.SetReadDeadline(time.Time{}) //nolint:errcheck // same
	if isOverdue(err) {
		return false, nil
	}
	return whole, err
}
