package takeover

import (
	"bytes"

	"chaosgo/agent/internal/http1"
)

// maxStrange is how often a client may take its turn with something that is no HTTP/1.x request, or
// send two at once, before its connection is left alone for good.
const maxStrange = 8

// turn is what the server has said since the client's last byte.
type turn uint8

const (
	nothing turn = iota
	interim      // 1xx only: the answer is still to come
	answer       // the beginning of an answer
	unclear      // something that does not begin like one
)

// guard watches one connection and changes one request on it. A request is only taken for one if the
// one before it was followed from its head to its end, the server has begun to answer since, and the
// next segment begins exactly there. What merely looks like a request inside of a body never is.
type guard struct {
	server             turn
	toServer, toClient position
	body               *http1.RequestBody // of the request that is coming in
	boundary           bool               // the last byte seen was the last one of a request
	strange            int
	leave              bool  // for good: nothing is to be changed here
	edit               *edit // the change that was made
}

// position is how far one direction was seen.
type position struct {
	next  uint32
	known bool
}

// takes moves behind a segment and tells how it lies: fresh bytes right behind those that were seen
// before, nothing but old ones, or anything else.
func (p *position) takes(s *segment) (fresh, old bool) {
	fresh = !p.known || s.seq == p.next
	old = p.known && !before(p.next, s.end())
	if !old {
		p.next, p.known = s.end(), true
	}
	return fresh && !old, old
}

// fromServer sees a segment of the server; at least the first bytes of its payload are there.
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

// turnOf judges the first bytes that the server says.
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

// fromClient sees a segment of the client and may change it.
func (g *guard) fromClient(s *segment) (changed bool) {
	if g.edit != nil {
		return g.edit.apply(s) // it may be sent again
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

// begin sees a segment with which a request should begin.
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
		g.leave = true // it does not wait for answers: requests behind the last one would be lost
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

// follow takes more bytes of the request that is coming in. ok is false when they are not all its own.
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

// wonder counts what a client should not do.
func (g *guard) wonder() {
	g.strange++
	g.leave = g.leave || g.strange >= maxStrange
}

// lose forgets what the client is about to send.
func (g *guard) lose() { g.body, g.boundary = nil, false }

// edit is a change of the client's stream; it must be the same whenever these bytes are sent.
type edit struct {
	seq  uint32
	with []byte
}

// apply makes the change in those of its bytes that s carries.
func (e *edit) apply(s *segment) (changed bool) {
	from := int(int32(e.seq - s.seq)) // of the change, in the payload
	to := from + len(e.with)
	if to <= 0 || from >= s.length || !s.isWhole() {
		return false
	}
	copy(s.payload[max(from, 0):], e.with[max(-from, 0):])
	s.seal()
	return true
}
