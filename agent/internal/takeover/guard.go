package takeover

import (
	"bytes"

	"chaosgo/agent/internal/http1"
)

// maxStrange is how often a client may send something that is no HTTP/1.x request when a request
// should begin, or more than one request at a time. After that its connection is left alone for good.
const maxStrange = 8

// turn is what the server has sent since the last byte of the client.
type turn uint8

const (
	nothing turn = iota
	interim      // 1xx only: the final answer is still to come
	answer       // the beginning of an answer
	unclear      // something that does not begin like an answer
)

// guard watches one connection and changes one request on it. It takes bytes for a request only if it
// has followed the request before from its head to its end, the server has begun to answer that one,
// and the next segment begins exactly at its end. So it never changes what looks like a request inside
// of a body.
type guard struct {
	server             turn
	toServer, toClient position
	body               *http1.RequestBody // of the request that is coming in
	boundary           bool               // the last byte of the client was the last one of a request
	strange            int
	leave              bool  // nothing is changed on this connection any more
	edit               *edit // the change that was made
}

// position is how far the packets of one direction have come.
type position struct {
	next  uint32 // the sequence number that is expected
	known bool
}

// takes moves the position behind a segment. fresh means that all of its bytes follow exactly those
// before, old that all of them were seen before. Neither means a gap or an overlap.
func (p *position) takes(s *segment) (fresh, old bool) {
	fresh = !p.known || s.seq == p.next
	old = p.known && !before(p.next, s.end())
	if !old {
		p.next, p.known = s.end(), true
	}
	return fresh && !old, old
}

// fromServer reads a segment of the server, of which at least the first bytes of the payload were
// copied.
func (g *guard) fromServer(s *segment) {
	if s.length == 0 || g.edit != nil || g.leave {
		return
	}
	fresh, old := g.toClient.takes(s)
	switch {
	case old:
	case !fresh:
		g.server = unclear
	case g.server == nothing || g.server == interim:
		g.server = turnOf(s.payload)
		g.leave = g.leave || bytes.HasPrefix(s.payload, []byte("HTTP/1.1 101"))
	}
}

// turnOf classifies the first bytes that the server sends.
func turnOf(payload []byte) turn {
	const version = len("HTTP/1.1 ")
	if len(payload) <= version || !bytes.HasPrefix(payload, []byte("HTTP/1.")) || payload[version-1] != ' ' {
		return unclear
	}
	switch status := payload[version]; {
	case status == '1':
		return interim
	case '2' <= status && status <= '5':
		return answer
	}
	return unclear
}

// fromClient reads a segment of the client and may change it.
func (g *guard) fromClient(s *segment) (changed bool) {
	if g.edit != nil {
		return g.edit.apply(s) // the changed bytes may be sent again
	}
	if s.length == 0 || g.leave {
		return false
	}
	fresh, old := g.toServer.takes(s)
	if old {
		return false
	}
	server := g.server
	g.server = nothing
	if !fresh || s.length != len(s.payload) {
		g.lose()
		return false
	}
	if g.body != nil {
		g.follow(s.payload)
		return false
	}
	return g.begin(s, server)
}

// begin reads a segment with which a request should begin.
func (g *guard) begin(s *segment, server turn) (changed bool) {
	head, ok := http1.ReadRequestHead(s.payload)
	if !ok {
		g.lose()
		if server != nothing {
			g.wonder()
		}
		return false
	}
	between := g.boundary
	if between && server == nothing {
		g.leave = true // the client pipelines: requests that follow the changed one would be lost
	}
	g.body = head.Body()
	if !g.follow(s.payload[head.Size():]) || !between || server != answer {
		return false
	}
	at, with, ok := head.CloseAtSameSize(s.payload)
	if !ok || !s.isWhole() {
		return false
	}
	g.edit = &edit{seq: s.seq + uint32(at), with: with}
	return g.edit.apply(s)
}

// follow reads more bytes of the current request. ok is false when some of them belong to no or to
// another request.
func (g *guard) follow(raw []byte) (ok bool) {
	n, done, ok := g.body.Take(raw)
	if !ok || n < len(raw) {
		g.lose()
		g.wonder()
		return false
	}
	if g.boundary = done; done {
		g.body = nil
	}
	return true
}

// wonder counts something that a client of HTTP/1.x does not send.
func (g *guard) wonder() {
	g.strange++
	g.leave = g.leave || g.strange >= maxStrange
}

// lose forgets where the client is in its request.
func (g *guard) lose() { g.body, g.boundary = nil, false }

// edit is a change in the stream of the client. It must be the same whenever these bytes are sent.
type edit struct {
	seq  uint32
	with []byte
}

// apply changes those bytes of the edit that are in s.
func (e *edit) apply(s *segment) (changed bool) {
	from := int(int32(e.seq - s.seq)) // where the change begins in the payload
	to := from + len(e.with)
	if to <= 0 || from >= s.length || !s.isWhole() {
		return false
	}
	copy(s.payload[max(from, 0):], e.with[max(-from, 0):])
	s.seal()
	return true
}
