package http1

// framing is how the end of a body is found (RFC 9112 section 6.3).
type framing uint8

const (
	noBody framing = iota
	byLength
	chunked
	untilClose
)

// chunkScanner finds the end of a chunked body (RFC 9112 section 7.1). The bytes may come in any
// portions; it keeps none of them.
type chunkScanner struct {
	at     chunkPlace
	left   int64 // the size as far as it was read, then the data that is still to come
	digits bool  // the size line has at least one
}

type chunkPlace uint8

const (
	inSize chunkPlace = iota
	inExtension
	sizeLF
	inData
	dataCR
	dataLF
	trailerStart
	inTrailer
	trailerLF
	lastLF
	behindBody
)

// maxChunk is small enough that one more digit does not overflow.
const maxChunk = 1 << 58

// scan reads the bytes of b that belong to the body and returns how many these are. done means that
// the body is complete. ok is false when the next byte cannot belong to a chunked body.
func (s *chunkScanner) scan(b []byte) (n int, done, ok bool) {
	for n < len(b) {
		if s.at == inData {
			step := min(s.left, int64(len(b)-n))
			n += int(step)
			if s.left -= step; s.left == 0 {
				s.at = dataCR
			}
			continue
		}
		if !s.take(b[n]) {
			return n, false, false
		}
		n++
		if s.at == behindBody {
			return n, true, true
		}
	}
	return n, false, true
}

// take reads one byte that is not chunk data.
func (s *chunkScanner) take(c byte) bool {
	switch s.at {
	case inSize:
		return s.takeSize(c)
	case inExtension:
		return s.takeText(c, sizeLF)
	case sizeLF:
		next := inData
		if s.left == 0 {
			next = trailerStart
		}
		return s.expect(c, '\n', next)
	case dataCR:
		return s.expect(c, '\r', dataLF)
	case dataLF:
		s.digits = false
		return s.expect(c, '\n', inSize)
	case trailerStart:
		if c == '\r' {
			s.at = lastLF
			return true
		}
		s.at = inTrailer
		return c != '\n'
	case inTrailer:
		return s.takeText(c, trailerLF)
	case trailerLF:
		return s.expect(c, '\n', trailerStart)
	}
	return s.expect(c, '\n', behindBody) // lastLF
}

func (s *chunkScanner) takeSize(c byte) bool {
	if digit, ok := hexDigit(c); ok {
		fits := s.left < maxChunk
		s.left = s.left<<4 | digit
		s.digits = true
		return fits
	}
	switch c {
	case '\r':
		s.at = sizeLF
	case ';', ' ', '\t': // chunk extensions (section 7.1.1); some servers pad the size with spaces
		s.at = inExtension
	default:
		return false
	}
	return s.digits
}

// takeText skips a line whose content does not matter. A bare LF is refused, because some
// implementations end the line there.
func (s *chunkScanner) takeText(c byte, next chunkPlace) bool {
	if c == '\r' {
		s.at = next
	}
	return c != '\n'
}

func (s *chunkScanner) expect(c, want byte, next chunkPlace) bool {
	s.at = next
	return c == want
}

func hexDigit(c byte) (value int64, ok bool) {
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
