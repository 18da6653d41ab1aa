package http1

// passBlind relays the rest of what the client sends, unread.
func (p *pair) passBlind(in *stream) error {
	p.countBlind()
	return in.all(p.service)
}

// answerBlind relays the rest of what the service sends, unread. Requests are not read from here on
// either: an answer of ours could not be placed.
func (p *pair) answerBlind(out *stream) error {
	if !p.queue.giveUpOrder() {
		return errMisplaced
	}
	p.countBlind()
	return out.all(p.client)
}
