package http1

import (
	"errors"
	"io"
)

// whileWatching runs wait and meanwhile reads ahead, so that it notices a client that leaves. A reset
// is passed on to the service at once. A FIN is passed on at once if no bytes before it still have to
// reach the service: when nothing is unread, or when dropped says that the unread bytes will be
// dropped. The channel that wait gets is closed then.
//
// ended reports whether the client was seen to leave. It is false for a client that sent more than the
// buffer holds, because its end comes after bytes that nobody has read.
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

// readAhead reads until the buffer is full or the connection ends.
func (s *stream) readAhead() error {
	for {
		if err := s.fill(); err != nil {
			return err
		}
	}
}
