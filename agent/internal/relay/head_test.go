package relay

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"
)

func TestParseRequest(t *testing.T) {
	for _, c := range []struct {
		name, raw string
		ok        bool
		want      head
	}{
		{"plain", "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", true, head{minor: 1, length: -1}},
		{"length", "POST / HTTP/1.1\r\ncontent-LENGTH:  12 \r\n\r\n", true, head{minor: 1, framing: byLength, length: 12}},
		{"length of nothing", "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", true, head{minor: 1}},
		{"the same length twice", "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", true, head{minor: 1, framing: byLength, length: 3}},
		{"chunked", "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n", true, head{minor: 1, framing: chunked, length: -1}},
		{"close", "GET / HTTP/1.1\r\nConnection: foo, Close\r\n\r\n", true, head{minor: 1, closes: true, length: -1}},
		{"1.0 kept", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true, head{keepsAlive: true, length: -1}},
		{"upgrade", "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", true, head{minor: 1, upgrades: true, length: -1}},
		{"expect", "PUT / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n", true, head{minor: 1, expects: true, length: -1}},

		{"both framings", "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", false, head{}},
		{"two lengths", "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", false, head{}},
		{"length with sign", "POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\n", false, head{}},
		{"empty length", "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", false, head{}},
		{"huge length", "POST / HTTP/1.1\r\nContent-Length: 9999999999999999999\r\n\r\n", false, head{}},
		{"chunked twice", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", false, head{}},
		{"other coding", "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", false, head{}},
		{"chunked in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", false, head{}},
		{"bare LF", "GET / HTTP/1.1\nHost: x\r\n\r\n", false, head{}},
		{"bare CR", "GET / HTTP/1.1\r\nHost: x\ry\r\n\r\n", false, head{}},
		{"folded", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", false, head{}},
		{"space before colon", "GET / HTTP/1.1\r\nContent-Length : 3\r\n\r\n", false, head{}},
		{"no colon", "GET / HTTP/1.1\r\nHost\r\n\r\n", false, head{}},
		{"three spaces", "GET / x HTTP/1.1\r\n\r\n", false, head{}},
		{"no target", "GET  HTTP/1.1\r\n\r\n", false, head{}},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\n", false, head{}},
		{"lower case method", "get / HTTP/1.1\r\n\r\n", false, head{}},
		{"HTTP/1.2", "GET / HTTP/1.2\r\n\r\n", false, head{}},
	} {
		h, ok := parseRequest([]byte(c.raw))
		if ok != c.ok {
			t.Errorf("%s: understood %v, want %v", c.name, ok, c.ok)
		}
		if !ok || !c.ok {
			continue
		}
		c.want.size, c.want.method, c.want.target = len(c.raw), h.method, h.target
		if got := h; !sameHead(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

func sameHead(a, b head) bool {
	a.method, a.target, b.method, b.target = nil, nil, nil, nil
	return a.size == b.size && a.status == b.status && a.minor == b.minor && a.framing == b.framing &&
		a.length == b.length && a.closes == b.closes && a.keepsAlive == b.keepsAlive &&
		a.upgrades == b.upgrades && a.expects == b.expects
}

func TestParseResponse(t *testing.T) {
	for _, c := range []struct {
		name, raw string
		ok        bool
		want      head
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, head{status: 200, minor: 1, framing: byLength, length: 5}},
		{"until close", "HTTP/1.1 200 OK\r\n\r\n", true, head{status: 200, minor: 1, framing: untilClose, length: -1}},
		{"no reason", "HTTP/1.1 204\r\nContent-Length: 0\r\n\r\n", true, head{status: 204, minor: 1}},
		{"continue", "HTTP/1.1 100 Continue\r\n\r\n", true, head{status: 100, minor: 1, framing: untilClose, length: -1}},
		{"1.0", "HTTP/1.0 500 Oops\r\n\r\n", true, head{status: 500, framing: untilClose, length: -1}},
		{"not a status", "HTTP/1.1 2x0 OK\r\n\r\n", false, head{}},
		{"four digits", "HTTP/1.1 2000 OK\r\n\r\n", false, head{}},
		{"short", "HTTP/1.1\r\n\r\n", false, head{}},
		{"another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n", false, head{}},
	} {
		h, ok := parseResponse([]byte(c.raw))
		if ok != c.ok {
			t.Errorf("%s: understood %v, want %v", c.name, ok, c.ok)
			continue
		}
		c.want.size = len(c.raw)
		if ok && !sameHead(h, c.want) {
			t.Errorf("%s: got %+v, want %+v", c.name, h, c.want)
		}
	}
}

func TestPlausible(t *testing.T) {
	for _, c := range []struct {
		b    string
		want bool
	}{
		{"", true}, {"G", true}, {"GET /a", true}, {"GET /a HTTP/1.1\r\nHo", true}, {"GET / HTTP/1.0\r\n", true},
		{"\x16\x03\x01", false}, {"get key\r\n", false}, {"PING\r\n", false}, {"SSH-2.0-x\r\n", false},
		{"GET /\r\n", false}, {"A\x00\x00\x00", false}, {"GET / HTTP/1.1\n", false}, {strings.Repeat("A", 33), false},
	} {
		if got := plausibleRequest([]byte(c.b)); got != c.want {
			t.Errorf("request %q: %v, want %v", c.b, got, c.want)
		}
	}
	for b, want := range map[string]bool{"": true, "H": true, "HTTP/1.1 200": true, "220 smtp": false, "HTTP/2": false} {
		if got := plausibleResponse([]byte(b)); got != want {
			t.Errorf("response %q: %v, want %v", b, got, want)
		}
	}
}

func TestRequestPathAndHeader(t *testing.T) {
	for target, want := range map[string]string{
		"/a/b?x=1": "/a/b", "/": "/", "http://host:80/a?b": "/a", "http://host": "/", "*": "*", "/a://b": "/a://b",
	} {
		if got := (&Request{Target: []byte(target)}).Path(); got != want {
			t.Errorf("%s: path %q, want %q", target, got, want)
		}
	}
	r := &Request{Head: []byte("GET / HTTP/1.1\r\nX-User: a \r\nOther: b\r\nx-user:c\r\n\r\n")}
	if got := strings.Join(r.Header("X-USER"), "|"); got != "a|c" {
		t.Errorf("got %q", got)
	}
	if got := r.Header("absent"); got != nil {
		t.Errorf("got %q for a header that is not there", got)
	}
}

// FuzzParseRequest: whatever we understand, net/http must understand in the same way, or a service
// written in Go would see other requests than we count.
func FuzzParseRequest(f *testing.F) {
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
		"GET http://h/p HTTP/1.0\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		i := bytes.Index(raw, []byte("\r\n\r\n"))
		if i < 0 {
			return
		}
		raw = raw[:i+4]
		h, ok := parseRequest(raw)
		if !ok {
			return
		}
		theirs, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return // the service will refuse what we relay: its right
		}
		if theirs.Method != string(h.method) || theirs.RequestURI != string(h.target) {
			t.Errorf("method %q target %q, net/http reads %q %q", h.method, h.target, theirs.Method, theirs.RequestURI)
		}
		framed := map[framing]int64{noBody: 0, byLength: h.length, chunked: -1}[h.framing]
		if theirs.ContentLength != framed {
			t.Errorf("framing %d length %d, net/http reads a length of %d:\n%q", h.framing, h.length, theirs.ContentLength, raw)
		}
	})
}

// FuzzChunks: the scanner must find the same end in any portions.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\nrest"), uint8(1))
	f.Add([]byte("a;x=y\r\n0123456789\r\n0\r\nTrailer: v\r\n\r\n"), uint8(3))
	f.Fuzz(func(t *testing.T, body []byte, portion uint8) {
		var whole, portioned chunkScanner
		n, done, ok := whole.scan(body)
		at, size := 0, int(portion)%7+1
		for at < len(body) {
			m, d, k := portioned.scan(body[at:min(len(body), at+size)])
			at += m
			if d != done && d || !k {
				if k != ok || d != done || at != n {
					t.Fatalf("whole: %d %v %v; portions of %d: %d %v %v", n, done, ok, size, at, d, k)
				}
				return
			}
			if d {
				break
			}
		}
		if at != n {
			t.Fatalf("whole: %d, portions of %d: %d", n, size, at)
		}
	})
}
