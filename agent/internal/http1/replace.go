package http1

import "time"

// replaceWait is how long the end of a replaced body is waited for.
const replaceWait = 250 * time.Millisecond

// replaceAnswer sends the client an answer with another body. It drops the body of the service first,
// to find the next answer behind it. If that takes too long, as for a stream of events, the client
// gets its answer now and the connection ends after it.
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

// dropBody drops the first answer. whole is false if its end did not come in time.
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
