package http1

import (
	"errors"
	"io"
)

// whileWatching runs wait and meanwhile reads ahead, so that a client which goes away is noticed:
// a reset is passed on to the service at once. So is an end (FIN), when nothing that was sent before
// it has to reach the service first; dropped tells that it has not, because what is in front will
// be thrown away then. wait is told by a channel that is closed.
//
// ended tells whether the client was seen to go. One that has sent more than the buffer holds is
// not: its end is behind bytes that nobody has read.
func (p *pair) whileWatching(in *stream, dropped bool, wait func(gone <-chan struct{})) (ended bool) {
	gone, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		err := in.readAhead()
		switch {
		case errors.Is(err, errFull), isOverdue(err):
			return
		case !errors.Is(err, io.EOF):
			reset(p.service)
		case dropped || in.empty():
			p.service.CloseWrite() //nolint:errcheck // a service that is gone shows in its answers
		}
		close(gone)
	}()
	wait(gone)
	p.interrupt(true)
	<-watched
	p.interrupt(false)
	select {
	case <-gone:
		return true
	default:
		return false
	}
}

// readAhead fills the buffer until it cannot.
func (s *stream) readAhead() error {
	for {
		if err := s.fill(); err != nil {
			return err
		}
	}
}
