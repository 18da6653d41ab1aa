package http1

import (
	"bytes"

	"chaosgo/agent/internal/rfc9110"
)

// head is what the relay needs of a message head. Such a head can be read in one way only.
type head struct {
	size           int // in bytes, with the empty line
	method, target []byte
	status         int
	minor          byte // the version is HTTP/1.minor
	body           framing
	length         int64 // of the body, when it is framed by length; -1 without Content-Length
	closes         bool  // Connection: close
	upgrades       bool  // Upgrade
	expects        bool  // Expect, in practice 100-continue
}

// maxMethod is much longer than any registered method.
const maxMethod = 32

// parseRequest reads a complete head. ok is false for everything that is not HTTP/1.0 or 1.1, and for
// what two implementations might read in two ways.
func parseRequest(raw []byte) (h head, ok bool) {
	line, fields, ok := cutLine(raw)
	if !ok {
		return head{}, false
	}
	h = head{size: len(raw), length: -1}
	var rest, version []byte
	h.method, rest, _ = bytes.Cut(line, []byte(" "))
	h.target, version, _ = bytes.Cut(rest, []byte(" "))
	if !rfc9110.IsToken(h.method) || !isTarget(h.target) || !h.takeVersion(version) {
		return head{}, false
	}
	return h, h.takeFields(fields) && h.decideFraming(noBody)
}

// parseAnswer reads the complete head of a response, as strictly as parseRequest.
func parseAnswer(raw []byte) (h head, ok bool) {
	const versionEnd, statusEnd = len("HTTP/1.1"), len("HTTP/1.1 200")
	line, fields, ok := cutLine(raw)
	if !ok || len(line) < statusEnd || line[versionEnd] != ' ' || len(line) > statusEnd && line[statusEnd] != ' ' {
		return head{}, false
	}
	h = head{size: len(raw), length: -1}
	status, ok := decimal(line[versionEnd+1 : statusEnd])
	if !ok || status < 100 || !h.takeVersion(line[:versionEnd]) {
		return head{}, false
	}
	h.status = int(status)
	// RFC 9112 section 6.3, rule 8: if no field says where it ends, the body ends with the connection.
	return h, h.takeFields(fields) && h.decideFraming(untilClose)
}

func (h *head) takeVersion(version []byte) bool {
	switch string(version) {
	case "HTTP/1.1":
		h.minor = 1
	case "HTTP/1.0":
		h.minor = 0
	default:
		return false
	}
	return true
}

// takeFields reads the header lines and the empty line.
func (h *head) takeFields(lines []byte) bool {
	for {
		line, rest, ok := cutLine(lines)
		if !ok {
			return false
		}
		if len(line) == 0 {
			return len(rest) == 0
		}
		name, value, ok := cutField(line)
		if !ok || !h.takeField(name, value) {
			return false
		}
		lines = rest
	}
}

// takeField keeps the few fields that say where a message or its connection ends. Comparing the length
// of the name first rules out almost all other fields.
func (h *head) takeField(name, value []byte) bool {
	switch {
	case is(name, "content-length"):
		// A second field, a list or a sign: recipients may differ (RFC 9112 section 6.3, rule 5).
		first := h.length < 0
		length, ok := decimal(value)
		h.length = length
		return first && ok
	case is(name, "transfer-encoding"):
		first := h.body != chunked
		h.body = chunked
		return first && is(value, "chunked") // other codings are allowed, but nobody uses them
	case is(name, "connection"):
		h.closes = h.closes || hasToken(value, "close")
	case is(name, "upgrade"):
		h.upgrades = true
	case is(name, "expect"):
		h.expects = true
	}
	return true
}

// decideFraming applies RFC 9112 section 6.3. fallback is for a head without a field about the body.
func (h *head) decideFraming(fallback framing) bool {
	switch {
	case h.body == chunked:
		// A length beside it (rule 3) and HTTP/1.0 (section 6.1) make chunks ambiguous.
		return h.length < 0 && h.minor == 1
	case h.length < 0:
		h.body = fallback
	case h.length > 0:
		h.body = byLength
	}
	return true
}

// endOfHead finds the empty line in b. The lines before the offset from were complete already. It
// returns the size of the head; or 0, and the offset at which to continue when more bytes have come.
// ok is false at a bare LF, which some implementations take as the end of a line and others do not
// (RFC 9112 section 2.2).
func endOfHead(b []byte, from int) (size, next int, ok bool) {
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return 0, from, true
		}
		end := from + i + 1
		if i == 0 || b[end-2] != '\r' {
			return 0, from, false
		}
		if i == 1 {
			return end, end, true
		}
		from = end
	}
}

// mayBeRequest reports whether b can be the beginning of a request. It must say no as early as
// possible: a client of another protocol may wait for an answer that only comes when these bytes are
// passed on.
func mayBeRequest(b []byte) bool {
	b = b[emptyLines(b):]
	if string(b) == "\r" {
		return true // it may be another empty line
	}
	line, _, complete := bytes.Cut(b, []byte("\n"))
	method, _, methodEnds := bytes.Cut(line, []byte(" "))
	if len(b) > 0 && !rfc9110.IsToken(method) || !methodEnds && (complete || len(line) > maxMethod) {
		return false
	}
	return !complete || bytes.HasSuffix(line, []byte(" HTTP/1.1\r")) || bytes.HasSuffix(line, []byte(" HTTP/1.0\r"))
}

// mayBeAnswer reports whether b can be the beginning of a response.
func mayBeAnswer(b []byte) bool {
	const begin = "HTTP/1."
	n := min(len(b), len(begin))
	return string(b[:n]) == begin[:n]
}

// emptyLines returns the size of the empty lines before a request. Recipients have to ignore them,
// because old clients send one after a POST (RFC 9112 section 2.2).
func emptyLines(b []byte) int {
	n := 0
	for len(b) >= n+2 && b[n] == '\r' && b[n+1] == '\n' {
		n += 2
	}
	return n
}

// cutLine splits b after the first CRLF. Another CR, or a NUL, is refused (RFC 9110 section 5.5).
func cutLine(b []byte) (line, rest []byte, ok bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 1 || b[i-1] != '\r' {
		return nil, nil, false
	}
	line = b[:i-1]
	return line, b[i+1:], bytes.IndexByte(line, '\r') < 0 && bytes.IndexByte(line, 0) < 0
}

// cutField splits a header line. It refuses folded lines, a space before the colon, and lines without
// a colon (RFC 9112 sections 5.1 and 5.2).
func cutField(line []byte) (name, value []byte, ok bool) {
	name, value, ok = bytes.Cut(line, []byte(":"))
	return name, bytes.Trim(value, " \t"), ok && rfc9110.IsToken(name)
}

// isTarget refuses white space and control characters, at which some implementations end the target.
func isTarget(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	return len(b) > 0
}

// decimal reads digits and nothing else. 18 digits always fit.
func decimal(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// is compares without regard to the case of ASCII letters; lower must be in lower case.
// bytes.EqualFold also takes the Kelvin sign for a k.
func is(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func hasToken(list []byte, token string) bool {
	for part := range bytes.SplitSeq(list, []byte(",")) {
		if is(bytes.Trim(part, " \t"), token) {
			return true
		}
	}
	return false
}
