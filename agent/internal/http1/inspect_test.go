package http1

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"
)

const got = "GET /a HTTP/1.1\r\nHost: x\r\n"

func TestCloseAtSameSize(t *testing.T) {
	for _, c := range []struct{ name, head, want string }{
		{"keep-alive", got + "Connection:  Keep-Alive\r\nAccept-Encoding: gzip\r\n\r\n",
			got + "Connection:       close\r\nAccept-Encoding: gzip\r\n\r\n"},
		{"accept-encoding before user-agent", got + "User-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n\r\n",
			got + "User-Agent: Go-http-client/1.1\r\nConnection:     close\r\n\r\n"},
		{"shortest that fits", got + "accept-encoding:\r\n\r\n", got + "Connection:close\r\n\r\n"},
		{"too short", got + "User-Agent: abc\r\n\r\n", "GET /a HTTP/1.0\r\nHost: x\r\nUser-Agent: abc\r\n\r\n"},
		{"a length", "POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "POST /a HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc"},
		{"chunks", "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nUser-Agent: abcdefgh\r\n\r\n0\r\n\r\n",
			"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection:    close\r\n\r\n0\r\n\r\n"},
		{"chunks and no field", "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ""},
		{"closes already", got + "Connection: close\r\nUser-Agent: abcdefgh\r\n\r\n", ""},
		{"names hop-by-hop fields", got + "Connection: keep-alive, te\r\nUser-Agent: abcdefgh\r\n\r\n", ""},
		{"two of them", got + "Connection: keep-alive\r\nConnection: keep-alive\r\n\r\n", ""},
		{"old proxies", got + "Proxy-Connection: keep-alive\r\nUser-Agent: abcdefgh\r\n\r\n", ""},
		{"upgrade", got + "Upgrade: h2c\r\nUser-Agent: abcdefgh\r\n\r\n", ""},
		{"expect", "POST / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\nUser-Agent: abcdefgh\r\n\r\n", ""},
		{"connect", "CONNECT x:1 HTTP/1.1\r\nHost: x\r\nUser-Agent: abcdefgh\r\n\r\n", ""},
		{"http/1.0", "GET / HTTP/1.0\r\nUser-Agent: abcdefgh\r\n\r\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := []byte(c.head)
			h, ok := ReadRequestHead(raw)
			if !ok {
				t.Fatal("not taken for a head")
			}
			at, with, ok := h.CloseAtSameSize(raw)
			if !ok {
				raw = nil
			}
			copy(raw[min(at, len(raw)):], with)
			if string(raw) != c.want {
				t.Errorf("got\n%q\nwant\n%q", raw, c.want)
			}
		})
	}
}

func TestWhatIsNoRequestHead(t *testing.T) {
	for _, b := range []string{"", "\r\n\r\n", got, got + "\r", "\r\n" + got + "\r\n", "GET /a HTTP/2\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n", got + "A: b\r\n c\r\n\r\n", got + "A: b\n\r\n", "\x16\x03\x01\x00\xa5\x01\r\n\r\n",
		got + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n"} {
		if _, ok := ReadRequestHead([]byte(b)); ok {
			t.Errorf("%q was taken for one", b)
		}
	}
}

func TestRequestBodyEndsWhereItEnds(t *testing.T) {
	for _, c := range []struct {
		head, body string
	}{
		{"GET / HTTP/1.1\r\n\r\n", ""},
		{"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", "abcde"},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "3;x=y\r\nabc\r\n0\r\nTrailer: x\r\n\r\n"},
	} {
		h, _ := ReadRequestHead([]byte(c.head))
		whole, next := h.Body(), "GET /next"
		if n, done, ok := whole.Take([]byte(c.body + next)); n != len(c.body) || !done || !ok {
			t.Errorf("%q: took %d of %d, %v %v", c.head, n, len(c.body), done, ok)
		}
		bytewise := h.Body()
		for i := range c.body {
			if n, done, ok := bytewise.Take([]byte(c.body[i : i+1])); n != 1 || done != (i == len(c.body)-1) || !ok {
				t.Errorf("%q: byte %d: %d %v %v", c.head, i, n, done, ok)
			}
		}
	}
}

// net/http must read the same request in the changed head, and close after it.
func FuzzCloseAtSameSize(f *testing.F) {
	f.Add([]byte(got + "User-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n\r\n"))
	f.Add([]byte(got + "Connection: keep-alive\r\nA: b\r\n\r\n"))
	f.Add([]byte("POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"))
	f.Add([]byte(got + "Accept-Encoding:gzip,keep-alive\r\nUser-agent: \tclose\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, ok := ReadRequestHead(raw)
		if !ok {
			return
		}
		before, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return // net/http is stricter, for instance with host names
		}
		at, with, ok := h.CloseAtSameSize(raw)
		if !ok {
			return
		}
		changed := bytes.Clone(raw)
		if copy(changed[at:], with) != len(with) || at+len(with) > h.Size() {
			t.Fatalf("%d bytes at %d do not fit into %q", len(with), at, raw)
		}
		after, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(changed)))
		if err != nil || !after.Close {
			t.Fatalf("%q became %q: %v", raw, changed, err)
		}
		same := before.Method == after.Method && before.RequestURI == after.RequestURI && before.Host == after.Host &&
			before.ContentLength == after.ContentLength && strings.Join(before.TransferEncoding, "") == strings.Join(after.TransferEncoding, "")
		if !same {
			t.Errorf("%q became another request: %q", raw, changed)
		}
	})
}
