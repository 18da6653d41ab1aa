package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"testing"
)

const chunkedHead = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

// scanIn scans b in portions of the given size.
func scanIn(b []byte, portion int) (n int, done, ok bool) {
	var s chunkScanner
	for ok = true; ok && !done && n < len(b); {
		var step int
		step, done, ok = s.scan(b[n:min(len(b), n+portion)])
		n += step
	}
	return n, done, ok
}

func TestChunkScanner(t *testing.T) {
	for _, c := range []struct {
		body     string
		n        int
		done, ok bool
	}{
		{"0\r\n\r\nrest", 5, true, true},
		{"3\r\nabc\r\n0\r\n\r\n", 13, true, true},
		{"A;x=\"y\"\r\n0123456789\r\n000\r\nTrailer: v\r\nB: \r\n\r\nX", 45, true, true},
		{"1  \r\nz\r\n0\r\n\r\n", 13, true, true},
		{"00000000000000000001\r\nz\r\n0\r\n\r\n", 30, true, true},
		{"5\r\nabc", 6, false, true},
		{"\r\n", 0, false, false},
		{"g\r\n", 0, false, false},
		{"-1\r\n", 0, false, false},
		{"1\nz", 1, false, false},
		{"1;a\nz", 3, false, false},
		{"1\r\nzz", 4, false, false},
		{"1\r\nz\rX", 5, false, false},
		{"0\r\nT: v\n", 7, false, false},
		{"0\r\n\n", 3, false, false},
		{"fffffffffffffffff\r\n", 15, false, false},
	} {
		for portion := 1; portion <= len(c.body); portion++ {
			if n, done, ok := scanIn([]byte(c.body), portion); n != c.n || done != c.done || ok != c.ok {
				t.Errorf("%q by %d: got %d, %v, %v", c.body, portion, n, done, ok)
			}
		}
	}
}

// FuzzRelayFraming checks that a message which the relay takes as complete ends for net/http at the
// same byte, and that the end does not depend on the portions in which the bytes come.
func FuzzRelayFraming(f *testing.F) {
	for _, body := range []string{
		"0\r\n\r\n", "3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\nGET", "2 \r\nab\r\n0\r\n\r\n", "1\nz\n0\n\n", "fffffffffffffffff\r\n",
	} {
		f.Add([]byte(chunkedHead+body), uint8(3))
	}
	f.Add([]byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcdGET / HTTP/1.1\r\n"), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, portion uint8) {
		size, _, ok := endOfHead(b, 0)
		if !ok || size == 0 {
			return
		}
		h, ok := parseRequest(b[:size])
		if !ok {
			return
		}
		end, done := size, h.body == noBody
		switch h.body {
		case byLength:
			done = int64(len(b)-size) >= h.length
			end += int(min(h.length, int64(len(b)-size)))
		case chunked:
			n, whole, ok := scanIn(b[size:], len(b))
			if m, parts, okParts := scanIn(b[size:], 1+int(portion)); m != n || parts != whole || okParts != ok {
				t.Fatalf("%q: %d, %v, %v at once; %d, %v, %v in parts", b[size:], n, whole, ok, m, parts, okParts)
			}
			end, done = end+n, whole
			if !ok {
				return // relayed unread, so that the service decides
			}
		}
		compareEnd(t, b, end, done)
	})
}

func compareEnd(t *testing.T, b []byte, end int, done bool) {
	source := bytes.NewReader(b)
	buffered := bufio.NewReader(source)
	r, err := http.ReadRequest(buffered)
	if err != nil {
		return
	}
	_, err = io.Copy(io.Discard, r.Body)
	if theirs := len(b) - source.Len() - buffered.Buffered(); done && err == nil && theirs != end {
		t.Errorf("%q ends at %d for net/http, at %d for us", b, theirs, end)
	}
	if err == nil && !done {
		t.Errorf("%q is complete for net/http, not for us", b)
	}
}
