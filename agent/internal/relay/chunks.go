package relay

// chunkScanner finds the end of a chunked body (RFC 9112 section 7.1) in bytes that come in any
// portions, without changing or keeping them.
type chunkScanner struct {
	state  chunkState
	size   int64 // of the chunk that is being read
	digits int
	line   int // bytes of the extension or trailer line so far
}

type chunkState uint8

const (
	inSize chunkState = iota
	inExtension
	afterSizeCR
	inData
	afterData
	afterDataCR
	atTrailer
	inTrailer
	afterTrailerCR
	afterLastCR
	complete
)

// Bounds of what has no length of its own.
const (
	maxSizeDigits = 15
	maxChunkLine  = 8 << 10
)

// scan consumes bytes of b and gives how many belong to the body and whether it is complete.
// ok is false when the bytes are no chunks.
func (s *chunkScanner) scan(b []byte) (n int, done, ok bool) {
	for n < len(b) {
		if s.state == inData {
			m := min(int64(len(b)-n), s.size)
			n += int(m)
			if s.size -= m; s.size == 0 {
				s.state = afterData
			}
			continue
		}
		if !s.step(b[n]) {
			return n, false, false
		}
		n++
		if s.state == complete {
			return n, true, true
		}
	}
	return n, false, true
}

// step takes one byte of framing.
func (s *chunkScanner) step(c byte) bool {
	switch s.state {
	case inSize:
		return s.stepSize(c)
	case inExtension:
		if c == '\r' {
			s.state = afterSizeCR
			return true
		}
		return s.lengthen(c)
	case afterSizeCR:
		s.digits, s.line = 0, 0
		s.state = inData
		if s.size == 0 {
			s.state = atTrailer
		}
		return c == '\n'
	case afterData:
		s.state = afterDataCR
		return c == '\r'
	case afterDataCR:
		s.state = inSize
		return c == '\n'
	}
	return s.stepTrailer(c)
}

func (s *chunkScanner) stepSize(c byte) bool {
	if digit, ok := hexDigit(c); ok {
		s.size = s.size<<4 | digit
		s.digits++
		return s.digits <= maxSizeDigits
	}
	switch {
	case s.digits == 0:
		return false
	case c == '\r':
		s.state = afterSizeCR
	case c == ';' || c == ' ' || c == '\t':
		s.state = inExtension
	default:
		return false
	}
	return true
}

func (s *chunkScanner) stepTrailer(c byte) bool {
	switch s.state {
	case atTrailer:
		s.state = inTrailer
		if c == '\r' {
			s.state = afterLastCR
			return true
		}
		return s.lengthen(c)
	case inTrailer:
		if c == '\r' {
			s.state = afterTrailerCR
			return true
		}
		return s.lengthen(c)
	case afterTrailerCR:
		s.state, s.line = atTrailer, 0
		return c == '\n'
	case afterLastCR:
		s.state = complete
		return c == '\n'
	}
	return false
}

// lengthen counts a byte of a line that must not go on for ever, nor hold a bare LF.
func (s *chunkScanner) lengthen(c byte) bool {
	s.line++
	return c != '\n' && s.line <= maxChunkLine
}

func hexDigit(c byte) (int64, bool) {
	switch {
	case '0' <= c && c <= '9':
		return int64(c - '0'), true
	case 'a' <= c && c <= 'f':
		return int64(c-'a') + 10, true
	case 'A' <= c && c <= 'F':
		return int64(c-'A') + 10, true
	}
	return 0, false
}
