package http1

// passBlind relays the rest of what the client sends, unread.
func (p *pair) passBlind(in *stream, kind Kind) error {
	p.countBlind(kind)
	return in.all(p.service)
}

// answerBlind relays the rest of what the service sends, unread. Requests are not read from here on
// either: an answer of ours could not be placed.
func (p *pair) answerBlind(out *stream, kind Kind) error {
	if !p.queue.giveUpOrder(kind) {
		return errMisplaced
	}
	p.countBlind(kind)
	return out.all(p.client)
}
