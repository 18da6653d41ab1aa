package http1

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"
)

func TestParseRequest(t *testing.T) {
	for _, c := range []struct {
		name, fields string
		want         head
	}{
		{"nothing", "", head{body: noBody, length: -1}},
		{"length", "Content-Length: 12\r\n", head{body: byLength, length: 12}},
		{"length 0", "content-length:0\r\n", head{body: noBody}},
		{"length, padded", "CONTENT-LENGTH: \t007\t \r\n", head{body: byLength, length: 7}},
		{"chunked", "Transfer-Encoding: Chunked\r\n", head{body: chunked, length: -1}},
		{"close", "Connection: foo, Close\r\n", head{closes: true, length: -1}},
		{"close in the second line", "Connection: te\r\nConnection:close\r\n", head{closes: true, length: -1}},
		{"closed is not close", "Connection: closed\r\n", head{length: -1}},
		{"upgrade", "Upgrade: websocket\r\nConnection: Upgrade\r\n", head{upgrades: true, length: -1}},
		{"expect", "Expect: 100-continue\r\nContent-Length: 1\r\n", head{expects: true, body: byLength, length: 1}},
		{"strange but unambiguous", "X:\r\n!#$%&'*+-.^_`|~: \xff:::\r\nContent-Length-X: 9\r\n", head{length: -1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := "pAtCH /a?b HTTP/1.1\r\nHost: x\r\n" + c.fields + "\r\n"
			got, ok := parseRequest([]byte(raw))
			if !ok {
				t.Fatal("refused")
			}
			if string(got.method) != "pAtCH" || string(got.target) != "/a?b" || got.size != len(raw) || got.minor != 1 {
				t.Errorf("got %q %q, %d bytes, 1.%d", got.method, got.target, got.size, got.minor)
			}
			got.method, got.target, got.size, got.minor = nil, nil, 0, 0
			if got.body != c.want.body || got.length != c.want.length || got.closes != c.want.closes ||
				got.upgrades != c.want.upgrades || got.expects != c.want.expects {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

// ambiguous are heads that two implementations may read in two ways.
var ambiguous = map[string]string{
	"two lengths":              "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
	"the same length twice":    "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
	"list of lengths":          "POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n",
	"signed length":            "POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
	"hexadecimal length":       "POST / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n",
	"no length":                "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
	"length beyond 63 bits":    "POST / HTTP/1.1\r\nContent-Length: 9223372036854775808\r\n\r\n",
	"length and chunks":        "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
	"chunks and length":        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
	"chunks twice":             "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	"chunks not last":          "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
	"vertical tab in chunked":  "POST / HTTP/1.1\r\nTransfer-Encoding: \vchunked\r\n\r\n",
	"chunks in 1.0":            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
	"space before colon":       "POST / HTTP/1.1\r\nContent-Length : 1\r\n\r\n",
	"folded line":              "GET / HTTP/1.1\r\nA: b\r\n Content-Length: 1\r\n\r\n",
	"fold in front":            "GET / HTTP/1.1\r\n A: b\r\n\r\n",
	"no colon":                 "GET / HTTP/1.1\r\nA\r\n\r\n",
	"no name":                  "GET / HTTP/1.1\r\n: b\r\n\r\n",
	"CR inside":                "GET / HTTP/1.1\r\nA: b\rContent-Length: 1\r\n\r\n",
	"NUL inside":               "GET / HTTP/1.1\r\nA: b\x00c\r\n\r\n",
	"space in the target":      "GET /a b HTTP/1.1\r\n\r\n",
	"two spaces":               "GET  / HTTP/1.1\r\n\r\n",
	"tab for a space":          "GET\t/ HTTP/1.1\r\n\r\n",
	"no target":                "GET  HTTP/1.1\r\n\r\n",
	"no version":               "GET /\r\n\r\n",
	"version 2":                "PRI * HTTP/2.0\r\n\r\n",
	"version 1.2":              "GET / HTTP/1.2\r\n\r\n",
	"version in lower case":    "GET / http/1.1\r\n\r\n",
	"space behind the version": "GET / HTTP/1.1 \r\n\r\n",
	"no token for a method":    "G(T / HTTP/1.1\r\n\r\n",
	"Kelvin sign":              "GET / HTTP/1.1\r\nX-\u212a: v\r\n\r\n",
}

func TestParseRequestRefusesWhatIsAmbiguous(t *testing.T) {
	for name, raw := range ambiguous {
		if h, ok := parseRequest([]byte(raw)); ok {
			t.Errorf("%s: taken as %+v", name, h)
		}
	}
}

func TestParseAnswer(t *testing.T) {
	for _, c := range []struct {
		raw    string
		status int
		body   framing
	}{
		{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", 200, byLength},
		{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, noBody},
		{"HTTP/1.1 404\r\nTransfer-Encoding: chunked\r\n\r\n", 404, chunked},
		{"HTTP/1.0 500 \r\n\r\n", 500, untilClose},
		{"HTTP/1.1 599 a  b\r\n\r\n", 599, untilClose},
	} {
		h, ok := parseAnswer([]byte(c.raw))
		if !ok || h.status != c.status || h.body != c.body || h.size != len(c.raw) {
			t.Errorf("%q: %v, got %+v", c.raw, ok, h)
		}
	}
	for _, raw := range []string{
		"HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 099 OK\r\n\r\n", "HTTP/1.1 +20 OK\r\n\r\n",
		"HTTP/1.1\t200 OK\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 200OK\r\n\r\n", "HTTP/1.1\r\n\r\n",
	} {
		if h, ok := parseAnswer([]byte(raw)); ok {
			t.Errorf("%q is taken as %+v", raw, h)
		}
	}
}

func TestForeignProtocolsAreSeenAtOnce(t *testing.T) {
	for name, b := range map[string]string{
		"TLS":                   "\x16",
		"HTTP/2":                "PRI * HTTP/2.0\r\n",
		"PostgreSQL":            "\x00\x00\x00\x08",
		"Redis":                 "PING\r\n",
		"SMTP":                  "EHLO example\r\n",
		"a word without an end": strings.Repeat("A", maxMethod+1),
	} {
		if mayBeRequest([]byte(b)) {
			t.Errorf("%s: would wait for more", name)
		}
	}
	request := "\r\n\r\nGET / HTTP/1.1\r\n"
	for n := range len(request) + 1 {
		if !mayBeRequest([]byte(request[:n])) {
			t.Errorf("%q is refused", request[:n])
		}
	}
	if answer := "HTTP/1.1"; !mayBeAnswer([]byte(answer[:3])) || !mayBeAnswer([]byte(answer)) || mayBeAnswer([]byte("220 hi")) {
		t.Error("answers are misjudged")
	}
}

func TestEndOfHeadRefusesBareLF(t *testing.T) {
	for b, want := range map[string]struct {
		size int
		ok   bool
	}{
		"A\r\n\r\nrest":    {5, true},
		"A\r\nB\r\n\r":     {0, true},
		"A\n\n":            {0, false},
		"A\r\nB\n\r\n":     {0, false},
		"A\r\nB\r\n\nrest": {0, false},
		"\nA":              {0, false},
	} {
		for from := range strings.Count(b, "\r\n") { // as if the lines before had come earlier
			start := 0
			for range from {
				start += strings.Index(b[start:], "\r\n") + 2
			}
			if strings.HasPrefix(b[start:], "\r\n") {
				break // that head was complete
			}
			if size, _, ok := endOfHead([]byte(b), start); size != want.size || ok != want.ok {
				t.Errorf("%q from %d: got %d, %v", b, start, size, ok)
			}
		}
	}
}

// FuzzHead checks that net/http refuses every head that the relay accepts, or reads it in the same
// way.
func FuzzHead(f *testing.F) {
	for _, raw := range ambiguous {
		f.Add([]byte(raw))
	}
	f.Add([]byte("POST http://h/p?q HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"))
	f.Add([]byte("PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n"))
	f.Add([]byte("GET / HTTP/1.0\r\n\r\n"))
	f.Add([]byte("\r\nHEAD * HTTP/1.1\r\nHost: x\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		skip := emptyLines(b)
		size, _, ok := endOfHead(b, skip)
		if !ok || size == 0 {
			return
		}
		raw := b[skip:size]
		h, ok := parseRequest(raw)
		parseAnswer(raw) // it must not panic
		if !ok {
			return
		}
		if !mayBeRequest(b) && len(h.method) <= maxMethod {
			t.Fatalf("%q is accepted as a whole but not as a beginning", raw)
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return
		}
		if r.Method != string(h.method) || r.RequestURI != string(h.target) || r.ProtoMinor != int(h.minor) {
			t.Errorf("%q: net/http reads %s %s 1.%d", raw, r.Method, r.RequestURI, r.ProtoMinor)
		}
		if isChunked := len(r.TransferEncoding) > 0; isChunked != (h.body == chunked) {
			t.Errorf("%q: chunked for net/http: %v", raw, isChunked)
		}
		if h.body != chunked && r.ContentLength != max(h.length, 0) {
			t.Errorf("%q: net/http reads a length of %d, we of %d", raw, r.ContentLength, h.length)
		}
		read := fields(raw)
		for name, values := range r.Header {
			if got := read.Values(name); len(got) != len(values) || got[0] != values[0] {
				t.Errorf("%q: %s is %q, for net/http %q", raw, name, got, values)
			}
		}
	})
}
