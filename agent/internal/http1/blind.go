package http1

import (
	"bytes"

	"chaosgo/agent/internal/relay"
)

// passBlind relays the rest of what the client sends, unread.
func (p *pair) passBlind(in *stream, why relay.PassReason) error {
	p.countBlind(why)
	return in.all(p.service)
}

// answerBlind relays the rest of what the service sends, unread. From here on requests are relayed
// unread too, because an answer of ours could not be placed.
func (p *pair) answerBlind(out *stream, why relay.PassReason) error {
	if !p.pipeline.giveUpOrder(why) {
		return errMisplaced
	}
	p.countBlind(why)
	return out.all(p.client)
}

// passReasonOf returns why the first bytes of a stream are no head that the relay can read.
func passReasonOf(s *stream) relay.PassReason {
	b := s.unread()
	line, _, _ := bytes.Cut(b[emptyLines(b):], []byte("\n"))
	switch {
	case len(b) >= 2 && b[0] == 0x16 && b[1] == 3:
		return relay.PassTLS
	case bytes.HasPrefix(line, []byte("PRI * HTTP/2.0")):
		return relay.PassHTTP2
	case len(b) == fullSize:
		return relay.PassOversizedHead
	case bytes.HasPrefix(line, []byte("HTTP/1.")), bytes.Contains(line, []byte(" HTTP/1.")):
		return relay.PassAmbiguous
	}
	return relay.PassOther
}
