package http1

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

const (
	// restSize is the buffer of a direction between messages and for most heads, so that thousands
	// of idle connections stay cheap.
	restSize = 4 << 10
	// fullSize is the buffer for longer heads, which it bounds, and for bodies.
	fullSize = 32 << 10
	// spliceFrom is what must be left of a body for the kernel to move it past us: below, setting
	// that up costs more than copying.
	spliceFrom = 128 << 10
	// spliceStep is after how many bytes moved by the kernel the counters are brought up to date.
	spliceStep = 1 << 20
)

var (
	restBuffers = sync.Pool{New: func() any { return new([restSize]byte) }}
	fullBuffers = sync.Pool{New: func() any { return new([fullSize]byte) }}
)

var (
	// errForeign: the next bytes are not HTTP/1.x that can be read in one way only.
	errForeign = errors.New("not plain HTTP/1.x")
	// errFull: no more can be read before something is passed on.
	errFull = errors.New("the buffer is full")
)

// writeError tells a destination that takes no more bytes from a source that gives none.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

// stream is what has been read from one connection and not yet been passed on to the other.
type stream struct {
	conn       *net.TCPConn
	read, sent *atomic.Uint64 // bytes from conn and to the other one; nil is not counted
	rest       *[restSize]byte
	full       *[fullSize]byte // nil while rest suffices
	buffer     []byte          // of the two, the one in use
	start, end int
}

func newStream(conn *net.TCPConn, read, sent *atomic.Uint64) *stream {
	s := &stream{conn: conn, read: read, sent: sent, rest: restBuffers.Get().(*[restSize]byte)}
	s.buffer = s.rest[:]
	return s
}

// release gives the buffers back. The stream must not be used any more.
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

// shrink drops what is unread, which is nothing between messages.
func (s *stream) shrink() {
	if s.full != nil {
		fullBuffers.Put(s.full)
		s.full, s.buffer = nil, s.rest[:]
	}
	s.start, s.end = 0, 0
}

// fill reads once. What unread gave before is no longer valid.
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
		return nil // the error, if any, comes again
	}
	return err
}

// await returns when the first byte of a message is there.
func (s *stream) await() error {
	if !s.empty() {
		return nil
	}
	s.shrink()
	return s.fill()
}

// head reads on until a complete head is in front, and gives it with the empty lines before it; it
// stays unread. mayBe judges what has come so far.
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
		case io.EOF, errFull: // cut off or too long: let the other side judge it
			return nil, errForeign
		default:
			return nil, err
		}
	}
}

// pass passes the next n unread bytes on; a nil destination stands for throwing them away.
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

// message passes on a message whose head, of the given size, is in front. io.EOF is an end of the
// connection inside it or, if that is how it is framed, behind it.
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

// counted passes on n bytes, what is there of them in one write.
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

// splice has the kernel move n bytes, none of which are in the buffer: splice(2) behind ReadFrom.
func (s *stream) splice(to *net.TCPConn, n int64) error {
	for n > 0 {
		step := min(n, spliceStep)
		moved, err := to.ReadFrom(&io.LimitedReader{R: s.conn, N: step})
		add(s.read, int(moved))
		add(s.sent, int(moved))
		if err != nil {
			return writeError{err} // or a read error: the kernel does not say whose it is
		}
		if moved < step {
			return io.EOF
		}
		n -= moved
	}
	return nil
}

// chunks passes on a head and the chunked body behind it. errForeign leaves the first byte that is
// none of a chunked body in front.
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

// all passes on everything up to the end of the connection, for which it gives io.EOF. Only while
// much comes at a time the kernel moves it: waiting there would hold a pipe, and thus two file
// descriptors, for each direction of each idle connection.
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
