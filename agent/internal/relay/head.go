package relay

import (
	"bytes"
	"strconv"
)

// framing is how the end of a body is found (RFC 9112 section 6.3).
type framing uint8

const (
	noBody framing = iota
	byLength
	chunked
	untilClose
)

// head is what the relay has to know about a message head.
type head struct {
	size           int // bytes, with the empty line
	method, target []byte
	status         int
	minor          byte // HTTP/1.minor
	framing        framing
	length         int64 // of the body when framed byLength
	closes         bool  // Connection: close
	keepsAlive     bool  // Connection: keep-alive
	upgrades       bool
	expects        bool
}

// persists tells whether the sender of the head wants the connection to go on (RFC 9112 section 9.3).
func (h *head) persists() bool {
	return !h.closes && (h.minor == 1 || h.keepsAlive)
}

// parseRequest reads a complete request head; false when it is anything but plain HTTP/1.x.
func parseRequest(b []byte) (head, bool) {
	h := head{size: len(b), length: -1}
	line, fields, ok := cutLine(b)
	if !ok {
		return h, false
	}
	method, rest, _ := bytes.Cut(line, []byte(" "))
	target, version, _ := bytes.Cut(rest, []byte(" "))
	if len(target) == 0 || !isMethod(method) || !h.parseVersion(version) {
		return h, false
	}
	h.method, h.target = method, target
	return h, h.parseFields(fields) && h.frame(noBody)
}

// parseResponse reads a complete response head; false when it is anything but plain HTTP/1.x.
func parseResponse(b []byte) (head, bool) {
	h := head{size: len(b), length: -1}
	line, fields, ok := cutLine(b)
	if !ok || len(line) < len("HTTP/1.1 200") || line[8] != ' ' || !h.parseVersion(line[:8]) {
		return h, false
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil || status < 100 || len(line) > 12 && line[12] != ' ' {
		return h, false
	}
	h.status = status
	return h, h.parseFields(fields) && h.frame(untilClose)
}

func (h *head) parseVersion(v []byte) bool {
	if len(v) != 8 || string(v[:7]) != "HTTP/1." || v[7] != '0' && v[7] != '1' {
		return false
	}
	h.minor = v[7] - '0'
	return true
}

// parseFields reads the header lines. What two parsers could understand in two ways is refused
// here and relayed untouched instead: the service decides what it means.
func (h *head) parseFields(b []byte) bool {
	for len(b) > 0 {
		line, rest, ok := cutLine(b)
		if !ok {
			return false
		}
		if len(line) == 0 {
			return len(rest) == 0
		}
		name, value, ok := cutField(line)
		if !ok || !h.take(name, value) {
			return false
		}
		b = rest
	}
	return false // the empty line is missing
}

func (h *head) take(name, value []byte) bool {
	switch len(name) { // most names are none of ours: compare only those of the right length
	case len("content-length"):
		if equalFold(name, "content-length") {
			return h.takeLength(value)
		}
	case len("transfer-encoding"):
		if equalFold(name, "transfer-encoding") {
			// Twice, or any other coding: RFC 9112 section 6.1 leaves room for two readings.
			ok := h.framing != chunked && equalFold(value, "chunked")
			h.framing = chunked
			return ok
		}
	case len("connection"):
		if equalFold(name, "connection") {
			h.closes = h.closes || hasToken(value, "close")
			h.keepsAlive = h.keepsAlive || hasToken(value, "keep-alive")
		}
	case len("upgrade"):
		h.upgrades = h.upgrades || equalFold(name, "upgrade")
	case len("expect"):
		h.expects = h.expects || equalFold(name, "expect")
	}
	return true
}

func (h *head) takeLength(value []byte) bool {
	if len(value) == 0 || len(value) > 18 { // 18 digits fit into an int64
		return false
	}
	var n int64
	for _, c := range value {
		if c < '0' || c > '9' {
			return false
		}
		n = n*10 + int64(c-'0')
	}
	same := h.length < 0 || h.length == n
	h.length = n
	return same
}

// frame decides how the body ends; without any word about it, it ends as otherwise says.
func (h *head) frame(otherwise framing) bool {
	switch {
	case h.framing == chunked:
		// Both headers, or chunks in HTTP/1.0: the classic ways to smuggle a request.
		return h.length < 0 && h.minor == 1
	case h.length > 0:
		h.framing = byLength
	case h.length < 0:
		h.framing = otherwise
	}
	return true
}

// cutLine splits at the first CRLF; a bare LF or CR before it makes the line ambiguous.
func cutLine(b []byte) (line, rest []byte, ok bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 1 || b[i-1] != '\r' || bytes.IndexByte(b[:i-1], '\r') >= 0 {
		return nil, nil, false
	}
	return b[:i-1], b[i+1:], true
}

// cutField splits a header line. Folded lines, a space before the colon and a missing colon are
// refused (RFC 9112 section 5).
func cutField(line []byte) (name, value []byte, ok bool) {
	name, value, ok = bytes.Cut(line, []byte(":"))
	if !ok || len(name) == 0 || bytes.ContainsAny(name, " \t") {
		return nil, nil, false
	}
	return name, bytes.Trim(value, " \t"), true
}

func isMethod(b []byte) bool {
	for _, c := range b {
		if (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return len(b) > 0
}

// maxMethod is longer than any method that is registered.
const maxMethod = 32

// plausibleRequest tells whether b can be the beginning of a request. It must say no as soon as it
// can: a client of another protocol may wait for an answer while we wait for an empty line.
func plausibleRequest(b []byte) bool {
	line, _, complete := bytes.Cut(b, []byte("\n"))
	method, _, spaced := bytes.Cut(line, []byte(" "))
	if len(b) > 0 && !isMethod(method) || !spaced && (complete || len(line) > maxMethod) {
		return false
	}
	return !complete || bytes.HasSuffix(line, []byte(" HTTP/1.1\r")) || bytes.HasSuffix(line, []byte(" HTTP/1.0\r"))
}

// plausibleResponse tells whether b can be the beginning of a response.
func plausibleResponse(b []byte) bool {
	const begin = "HTTP/1."
	return bytes.HasPrefix([]byte(begin), b[:min(len(b), len(begin))])
}

// equalFold compares ASCII without regard to case; lower must be in lower case.
func equalFold(b []byte, lower string) bool {
	return len(b) == len(lower) && bytes.EqualFold(b, []byte(lower))
}

// hasToken tells whether a comma-separated list has a token.
func hasToken(list []byte, token string) bool {
	for part := range bytes.SplitSeq(list, []byte(",")) {
		if equalFold(bytes.Trim(part, " \t"), token) {
			return true
		}
	}
	return false
}
