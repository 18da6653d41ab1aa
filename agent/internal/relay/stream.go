package relay

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

const (
	// bufferSize bounds a message head; a longer one is relayed blindly.
	bufferSize = 32 << 10
	// spliceFrom is the size of a body from which the kernel moves it without our copying.
	spliceFrom = 128 << 10
)

var (
	// errForeign says that the bytes from here on are not HTTP/1.x as we understand it.
	errForeign = errors.New("not plain HTTP/1.x")
	errCut     = errors.New("the connection ended inside a message")
)

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// stream is one direction of a connection: what was read and not yet passed on.
type stream struct {
	conn       *net.TCPConn
	buffer     *[bufferSize]byte
	start, end int
	count      *atomic.Uint64    // of all bytes read
	plausible  func([]byte) bool // whether these first bytes can become a head
}

func newStream(conn *net.TCPConn, count *atomic.Uint64, plausible func([]byte) bool) *stream {
	return &stream{conn: conn, buffer: buffers.Get().(*[bufferSize]byte), count: count, plausible: plausible}
}

func (s *stream) free() { buffers.Put(s.buffer) }

func (s *stream) unread() []byte { return s.buffer[s.start:s.end] }

// fill reads more. The bytes that unread gave before may move.
func (s *stream) fill() error {
	if s.start > 0 {
		s.end = copy(s.buffer[:], s.unread())
		s.start = 0
	}
	if s.end == len(s.buffer) {
		return errForeign
	}
	n, err := s.conn.Read(s.buffer[s.end:])
	s.end += n
	s.count.Add(uint64(n))
	if n > 0 {
		return nil // an error comes again with the next read
	}
	return err
}

// head reads until a complete message head is at the front and gives it. Not a byte is consumed.
// io.EOF is an end between messages.
func (s *stream) head() ([]byte, error) {
	for {
		b := s.unread()
		if !s.plausible(b) {
			return nil, errForeign // another protocol, which may not wait for us to read on
		}
		if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
			return b[:i+4], nil
		}
		if bytes.Contains(b, []byte("\n\n")) {
			return nil, errForeign // a head for those who take bare LF; we must not wait either
		}
		err := s.fill()
		if err == io.EOF && s.end > s.start {
			return nil, errForeign // cut in the head: the other side shall see it, too
		}
		if err != nil {
			return nil, err
		}
	}
}

// forward passes the first n unread bytes on; a nil destination throws them away.
func (s *stream) forward(to *net.TCPConn, n int) error {
	var err error
	if to != nil && n > 0 {
		_, err = to.Write(s.buffer[s.start : s.start+n])
	}
	s.start += n
	return err
}

// message passes on the message whose head is at the front: unchanged, body and all.
func (s *stream) message(to *net.TCPConn, h *head) error {
	switch h.framing {
	case byLength:
		return s.counted(to, int64(h.size)+h.length)
	case chunked:
		return s.chunks(to, h.size)
	case untilClose:
		if err := s.rest(to); err != nil {
			return err
		}
		return io.EOF
	}
	return s.forward(to, h.size)
}

// counted passes on n bytes, those already read in one write with the head.
func (s *stream) counted(to *net.TCPConn, n int64) error {
	for {
		m := min(n, int64(s.end-s.start))
		if err := s.forward(to, int(m)); err != nil {
			return err
		}
		if n -= m; n == 0 {
			return nil
		}
		if n >= spliceFrom && to != nil {
			return s.splice(to, n)
		}
		if err := s.fill(); err != nil {
			return cut(err)
		}
	}
}

// splice lets the kernel move n bytes that are not read yet (splice(2), through ReadFrom).
func (s *stream) splice(to *net.TCPConn, n int64) error {
	moved, err := to.ReadFrom(&io.LimitedReader{R: s.conn, N: n})
	s.count.Add(uint64(moved))
	if err == nil && moved < n {
		return errCut
	}
	return err
}

// chunks passes on a head of the given size and the chunked body behind it.
func (s *stream) chunks(to *net.TCPConn, headSize int) error {
	var scanner chunkScanner
	for skip := headSize; ; skip = 0 {
		n, done, ok := scanner.scan(s.unread()[skip:])
		if err := s.forward(to, skip+n); err != nil {
			return err
		}
		if done {
			return nil
		}
		if !ok {
			return errForeign
		}
		if err := s.fill(); err != nil {
			return cut(err)
		}
	}
}

// rest passes on everything until the end.
func (s *stream) rest(to *net.TCPConn) error {
	if err := s.forward(to, s.end-s.start); err != nil {
		return err
	}
	moved, err := to.ReadFrom(s.conn)
	s.count.Add(uint64(moved))
	return err
}

func cut(err error) error {
	if err == io.EOF {
		return errCut
	}
	return err
}
