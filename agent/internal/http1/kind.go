package http1

import (
	"bytes"
	"sync/atomic"
)

// Kind is why a connection is relayed unread from some byte on.
type Kind uint8

// The kinds, in the order of kindNames.
const (
	// TLS, or SSL 3: a handshake record in front.
	TLS Kind = iota
	// HTTP2 with prior knowledge: its preface in front (RFC 9113 section 3.4).
	HTTP2
	// Ambiguous is HTTP/1.x that two implementations might read in two ways.
	Ambiguous
	// Upgrade: the service switched protocols, as for a WebSocket.
	Upgrade
	// Connect is a tunnel that was asked for.
	Connect
	// OversizedHead: a head does not fit into the buffer.
	OversizedHead
	// OverLimit: as many connections as are judged were open already.
	OverLimit
	// Other is no HTTP/1.x, cut off in a head, or an answer that nobody asked for.
	Other
	// OtherProcess: the calls of one process are meant, and these are another's. Counted by whoever
	// sees whose they are; such connections are read, but nothing on them is judged.
	OtherProcess
	kinds
)

var kindNames = [kinds]string{"tls", "http2", "ambiguous", "upgrade", "connect", "oversized_head", "over_limit", "other", "other_process"}

func (k Kind) String() string { return kindNames[k] }

// ByKind counts connections by why they are relayed unread.
type ByKind [kinds]atomic.Uint64

// Load gives the counts that are not zero, by name, and their sum.
func (b *ByKind) Load() (counts map[string]uint64, sum uint64) {
	counts = map[string]uint64{}
	for k := range b {
		if n := b[k].Load(); n > 0 {
			counts[Kind(k).String()] = n
			sum += n
		}
	}
	return counts, sum
}

// kindOf tells why what is in front of a stream is no head that can be read.
func kindOf(s *stream) Kind {
	b := s.unread()
	line, _, _ := bytes.Cut(b[emptyLines(b):], []byte("\n"))
	switch {
	case len(b) >= 2 && b[0] == 0x16 && b[1] == 3:
		return TLS
	case bytes.HasPrefix(line, []byte("PRI * HTTP/2.0")):
		return HTTP2
	case len(b) == fullSize:
		return OversizedHead
	case bytes.HasPrefix(line, []byte("HTTP/1.")), bytes.Contains(line, []byte(" HTTP/1.")):
		return Ambiguous
	}
	return Other
}
