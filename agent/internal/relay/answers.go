package relay

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"
)

// closeAnswer is the header line that makes an answer the last one of its connection.
const closeAnswer = "Connection: close\r\n"

// responses relays from service to client.
func (x *exchange) responses() {
	out := newStream(x.upstream, &x.relay.Counters.BytesOut, plausibleResponse)
	defer out.free()
	err := x.relayResponses(out)
	x.queue.close()
	if x.orderly = err == io.EOF; x.orderly {
		x.client.CloseWrite() //nolint:errcheck // a client that is gone needs no goodbye
	} else {
		reset(x.client)
	}
	if !x.blind.Load() {
		// The service has left: a request that still comes finds nobody, so do not wait for long.
		x.client.SetReadDeadline(time.Now().Add(lingering)) //nolint:errcheck // a closed connection needs none
	}
}

// relayResponses gives io.EOF when the service ended the connection in order.
func (x *exchange) relayResponses(out *stream) error {
	for {
		raw, err := out.head()
		if err != nil && !errors.Is(err, errForeign) {
			return err
		}
		p, asked := x.queue.front()
		if err != nil || !asked {
			return x.restOf(out) // foreign, or an answer that nobody asked for
		}
		h, ok := parseResponse(raw)
		if !ok {
			return x.restOf(out)
		}
		if over, err := x.response(out, &h, p); over || err != nil {
			return err
		}
	}
}

// restOf relays the rest of what the service sends.
func (x *exchange) restOf(out *stream) error {
	x.countBlind()
	if err := out.rest(x.client); err != nil {
		return err
	}
	return io.EOF
}

// response passes on one answer; over tells that nothing follows it.
func (x *exchange) response(out *stream, h *head, p pending) (over bool, err error) {
	if h.status < 200 && h.status != http.StatusSwitchingProtocols {
		return false, out.forward(x.client, h.size) // the final answer is still to come
	}
	if h.status == http.StatusSwitchingProtocols {
		if p.upgrade != nil {
			p.upgrade <- true
		}
		return true, x.restOf(out)
	}
	if p.upgrade != nil {
		p.upgrade <- false
	}
	if p.headless || h.status == http.StatusNoContent || h.status == http.StatusNotModified {
		h.framing = noBody
	}
	last := x.relay.draining.Load() && h.persists() && h.framing != untilClose
	if last {
		if err := x.announceEnd(out, h); err != nil {
			return true, err
		}
	}
	if err := out.message(x.client, h); err != nil {
		if errors.Is(err, errForeign) {
			return true, x.restOf(out)
		}
		return true, err
	}
	left, err := x.queue.pop()
	if err == nil && last && left == 0 {
		return true, io.EOF
	}
	return false, err
}

// announceEnd writes the head of an answer with the word that the connection ends after it.
func (x *exchange) announceEnd(out *stream, h *head) error {
	raw := out.unread()[:h.size]
	line := bytes.IndexByte(raw, '\n') + 1
	changed := make([]byte, 0, h.size+len(closeAnswer))
	changed = append(changed, raw[:line]...)
	changed = append(changed, closeAnswer...)
	changed = append(changed, raw[line:]...)
	_, err := x.client.Write(changed)
	out.forward(nil, h.size) //nolint:errcheck // nothing is written
	h.size = 0
	return err
}
