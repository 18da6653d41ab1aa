package http1

import (
	"bytes"
	"iter"
)

// RequestHead is the head of a request, for takeover, which reads packets.
type RequestHead struct {
	size    int
	head    head
	keepsAt int  // offset of the value of the only Connection field if that is keep-alive; else 0
	bound   bool // the head already decides what becomes of the connection
}

// ReadRequestHead reads the head at the beginning of b. ok is false if the head is incomplete,
// invalid, or might be read in two ways.
func ReadRequestHead(b []byte) (r RequestHead, ok bool) {
	size, _, ok := endOfHead(b, 0)
	if !ok || size == 0 {
		return RequestHead{}, false
	}
	h, ok := parseRequest(b[:size])
	if !ok {
		return RequestHead{}, false
	}
	r = RequestHead{size: size, head: h}
	r.bound = h.minor == 0 || h.upgrades || h.expects || string(h.method) == "CONNECT"
	for at, line := range headerLines(b[:size]) {
		name, value, _ := cutField(line)
		switch {
		case is(name, "connection") && is(value, "keep-alive") && r.keepsAt == 0:
			r.keepsAt = at + bytes.LastIndex(line, value)
		case is(name, "connection"), is(name, "proxy-connection"):
			r.bound = true
		}
	}
	return r, true
}

// Size returns the number of bytes, including the empty line.
func (r *RequestHead) Size() int { return r.size }

// CloseAtSameSize returns a change of the head b that keeps its size and makes the service close the
// connection after its answer. It replaces the value of `Connection: keep-alive`. Without that field
// it replaces one that only states a preference (Accept-Encoding, User-Agent) by `Connection: close`.
// Without those it changes the version to HTTP/1.0, unless the body needs HTTP/1.1.
func (r *RequestHead) CloseAtSameSize(b []byte) (at int, with []byte, ok bool) {
	const keep, field, value = "keep-alive", "Connection:", "close"
	switch {
	case r.bound:
		return 0, nil, false
	case r.keepsAt > 0:
		return r.keepsAt, padded("", value, len(keep)), true
	}
	for _, wanted := range []string{"accept-encoding", "user-agent"} {
		for at, line := range headerLines(b[:r.size]) {
			if name, _, _ := cutField(line); is(name, wanted) && len(line) >= len(field)+len(value) {
				return at, padded(field, value, len(line)), true
			}
		}
	}
	return bytes.IndexByte(b, '\r') - 1, []byte("0"), r.head.body != chunked
}

// padded fills the size with spaces before the value, where every parser accepts them (RFC 9110
// section 5.5).
func padded(field, value string, size int) []byte {
	b := bytes.Repeat([]byte(" "), size)
	copy(b, field)
	copy(b[size-len(value):], value)
	return b
}

// headerLines iterates over the header lines of a complete head, with the offset of each.
func headerLines(b []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		_, lines, _ := cutLine(b)
		for {
			line, rest, ok := cutLine(lines)
			if !ok || len(line) == 0 || !yield(len(b)-len(lines), line) {
				return
			}
			lines = rest
		}
	}
}

// RequestBody follows the body of one request to its end.
type RequestBody struct {
	chunked bool
	scanner chunkScanner
	left    int64
}

// Body returns a reader that follows the body of this head.
func (r *RequestHead) Body() *RequestBody {
	return &RequestBody{chunked: r.head.body == chunked, left: max(r.head.length, 0)}
}

// Take reads the bytes of raw that belong to the body and returns how many these are. done means that
// the body is complete, and ok is false when the bytes are no such body.
func (b *RequestBody) Take(raw []byte) (n int, done, ok bool) {
	if b.chunked {
		return b.scanner.scan(raw)
	}
	n = int(min(b.left, int64(len(raw))))
	b.left -= int64(n)
	return n, b.left == 0, true
}
