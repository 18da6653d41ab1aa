package http1

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

const (
	// restSize is the buffer of one direction between messages and for most heads. It is small, so that
	// thousands of idle connections need little memory.
	restSize = 4 << 10
	// fullSize is the buffer for bodies and for longer heads. It bounds the size of a head.
	fullSize = 32 << 10
	// spliceFrom is how much of a body must be left for the kernel to move it (splice(2)). For less,
	// the set-up costs more than copying.
	spliceFrom = 128 << 10
	// spliceStep is how many bytes the kernel moves before the counters are updated.
	spliceStep = 1 << 20
)

var (
	restBuffers = sync.Pool{New: func() any { return new([restSize]byte) }}
	fullBuffers = sync.Pool{New: func() any { return new([fullSize]byte) }}
)

var (
	// errForeign means that the next bytes are no HTTP/1.x, or might be read in two ways.
	errForeign = errors.New("not plain HTTP/1.x")
	// errFull means that the buffer is full: bytes must be passed on before more are read.
	errFull = errors.New("the buffer is full")
)

// writeError marks an error of the destination, as opposed to one of the source.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

// stream reads from one connection, and buffers what has not been passed on to the other one.
type stream struct {
	conn       *net.TCPConn
	read, sent *atomic.Uint64 // counters of the bytes from conn and to the other connection; nil counts nothing
	rest       *[restSize]byte
	full       *[fullSize]byte // nil while rest is large enough
	buffer     []byte          // the one of the two that is in use
	start, end int
}

func newStream(conn *net.TCPConn, read, sent *atomic.Uint64) *stream {
	s := &stream{conn: conn, read: read, sent: sent, rest: restBuffers.Get().(*[restSize]byte)}
	s.buffer = s.rest[:]
	return s
}

// release gives the buffers back to their pools. The stream must not be used afterwards.
func (s *stream) release() {
	s.shrink()
	restBuffers.Put(s.rest)
}

func (s *stream) unread() []byte { return s.buffer[s.start:s.end] }

func (s *stream) empty() bool { return s.start == s.end }

func (s *stream) grow() {
	if s.full == nil {
		s.full = fullBuffers.Get().(*[fullSize]byte)
		s.end = copy(s.full[:], s.unread())
		s.start, s.buffer = 0, s.full[:]
	}
}

// shrink goes back to the small buffer and drops what is unread. Between messages nothing is.
func (s *stream) shrink() {
	if s.full != nil {
		fullBuffers.Put(s.full)
		s.full, s.buffer = nil, s.rest[:]
	}
	s.start, s.end = 0, 0
}

// fill reads once. Slices that unread has returned before become invalid.
func (s *stream) fill() error {
	switch {
	case s.empty():
		s.start, s.end = 0, 0
	case s.end == len(s.buffer) && s.full == nil:
		s.grow()
	case s.end == len(s.buffer):
		s.end = copy(s.buffer, s.unread())
		s.start = 0
	}
	if s.end == len(s.buffer) {
		return errFull
	}
	n, err := s.conn.Read(s.buffer[s.end:])
	s.end += n
	add(s.read, n)
	if n > 0 {
		return nil // an error comes again at the next read
	}
	return err
}

// await returns when the first byte of a message has come.
func (s *stream) await() error {
	if !s.empty() {
		return nil
	}
	s.shrink()
	return s.fill()
}

// head reads until the buffer begins with a complete head. It returns the head with the empty lines
// before it, and leaves both unread. mayBe judges what has come so far.
func (s *stream) head(mayBe func([]byte) bool) (raw []byte, err error) {
	for from := 0; ; {
		b := s.unread()
		size, next, ok := endOfHead(b, max(from, emptyLines(b)))
		if !ok || !mayBe(b) {
			return nil, errForeign
		}
		if size > 0 {
			return b[:size], nil
		}
		from = next
		switch err := s.fill(); err {
		case nil:
		case io.EOF, errFull: // incomplete or too long: the other side decides what to do
			return nil, errForeign
		default:
			return nil, err
		}
	}
}

// pass passes the next n unread bytes on. A nil destination drops them.
func (s *stream) pass(to *net.TCPConn, n int) error {
	b := s.unread()[:n]
	s.start += n
	if to == nil || n == 0 {
		return nil
	}
	written, err := to.Write(b)
	add(s.sent, written)
	if err != nil {
		return writeError{err}
	}
	return nil
}

func add(counter *atomic.Uint64, n int) {
	if counter != nil {
		counter.Add(uint64(n))
	}
}

// message passes on the message whose head, of the given size, is at the front. io.EOF means that the
// connection ended inside of it or, with untilClose, at its end.
func (s *stream) message(to *net.TCPConn, headSize int, h *head) error {
	switch h.body {
	case byLength:
		return s.counted(to, int64(headSize)+h.length)
	case chunked:
		return s.chunks(to, headSize)
	case untilClose:
		return s.all(to)
	}
	return s.pass(to, headSize)
}

// counted passes on n bytes. What is in the buffer goes out in one write.
func (s *stream) counted(to *net.TCPConn, n int64) error {
	for {
		step := min(n, int64(s.end-s.start))
		if err := s.pass(to, int(step)); err != nil {
			return err
		}
		if n -= step; n == 0 {
			return nil
		}
		if n >= spliceFrom && to != nil {
			return s.splice(to, n)
		}
		if n > restSize {
			s.grow()
		}
		if err := s.fill(); err != nil {
			return err
		}
	}
}

// splice lets the kernel move n bytes (splice(2), which ReadFrom uses). The buffer must be empty.
func (s *stream) splice(to *net.TCPConn, n int64) error {
	for n > 0 {
		step := min(n, spliceStep)
		moved, err := to.ReadFrom(&io.LimitedReader{R: s.conn, N: step})
		add(s.read, int(moved))
		add(s.sent, int(moved))
		if err != nil {
			return writeError{err} // or a read error: the kernel does not say which side failed
		}
		if moved < step {
			return io.EOF
		}
		n -= moved
	}
	return nil
}

// chunks passes on a head and its chunked body. At errForeign the first byte that cannot belong to the
// body is at the front.
func (s *stream) chunks(to *net.TCPConn, headSize int) error {
	var scanner chunkScanner
	for skip := headSize; ; skip = 0 {
		n, done, ok := scanner.scan(s.unread()[skip:])
		if err := s.pass(to, skip+n); err != nil || done {
			return err
		}
		if !ok {
			return errForeign
		}
		s.grow()
		if err := s.fill(); err != nil {
			return err
		}
	}
}

// all passes on everything until the end of the connection, for which it returns io.EOF. The kernel
// moves the bytes only while many come at a time: a splice that waits would keep a pipe, and so two
// file descriptors, open for each direction of each idle connection.
func (s *stream) all(to *net.TCPConn) error {
	for {
		much := s.end-s.start == fullSize
		if err := s.pass(to, s.end-s.start); err != nil {
			return err
		}
		if much {
			if err := s.splice(to, spliceStep); err != nil {
				return err
			}
		}
		if s.end == len(s.buffer) {
			s.grow()
		} else {
			s.shrink()
		}
		if err := s.fill(); err != nil {
			return err
		}
	}
}
