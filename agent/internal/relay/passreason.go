package relay

import "sync/atomic"

// PassReason is why a connection is relayed unread from some byte on.
type PassReason uint8

// The reasons, in the order of passReasonNames.
const (
	// PassTLS is TLS, or SSL 3: the connection begins with a handshake record.
	PassTLS PassReason = iota
	// PassHTTP2 is HTTP/2 with prior knowledge: the connection begins with its preface (RFC 9113
	// section 3.4).
	PassHTTP2
	// PassAmbiguous is HTTP/1.x that two implementations might read in two ways.
	PassAmbiguous
	// PassUpgrade is a service that switched protocols, as for a WebSocket.
	PassUpgrade
	// PassConnect is a tunnel that the client asked for.
	PassConnect
	// PassOversizedHead is a head that does not fit into the buffer.
	PassOversizedHead
	// PassOverLimit is a connection that came when as many as may be judged were open already.
	PassOverLimit
	// PassOther is no HTTP/1.x, a connection that ended inside a head, or an answer without a request.
	PassOther
	// PassOtherProcess is a call of another process than the one whose calls are faulted. It is counted
	// by whoever looks up the process; such a connection is read, but nothing on it is judged.
	PassOtherProcess
	passReasons
)

var passReasonNames = [passReasons]string{
	"tls", "http2", "ambiguous", "upgrade", "connect", "oversized_head", "over_limit", "other", "other_process",
}

// String returns the name of the reason on the wire.
func (r PassReason) String() string { return passReasonNames[r] }

// ByReason counts connections by why they are relayed unread.
type ByReason [passReasons]atomic.Uint64

// Load returns the counts that are not zero, by name, and their sum.
func (b *ByReason) Load() (counts map[string]uint64, sum uint64) {
	counts = map[string]uint64{}
	for r := range b {
		if n := b[r].Load(); n > 0 {
			counts[PassReason(r).String()] = n
			sum += n
		}
	}
	return counts, sum
}
