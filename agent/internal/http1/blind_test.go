package http1

import (
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
)

// big is longer than every buffer, and long enough for the kernel to move it.
var big = strings.Repeat("0123456789abcdef", 20_000)

// conversation is what a client sends and what a scripted service answers.
type conversation struct {
	name, request, answer string
	unread                string // why the rest is relayed unread; "" when all was read
}

var conversations = []conversation{
	{"GET", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ""},
	{"odd spelling", "GET /a%20b?c HTTP/1.1\r\nhOsT:x  \r\nX:\t y\r\n\r\n", "HTTP/1.1 200\r\ncontent-length:2\r\n\r\nok", ""},
	{"absolute form", "GET http://x/a HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""},
	{"POST", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", ""},
	{"empty lines between", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""},
	{"chunks", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n0\r\nT: v\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n", ""},
	{"pipeline", "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nzGET /3 HTTP/1.1\r\nHost: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n3", ""},
	{"HEAD", "HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ""},
	{"204 and 304", "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", ""},
	{"interim answers", "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ""},
	{"HTTP/1.0 until close", "GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nall of it", ""},
	{"cut body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nonly this", "HTTP/1.1 400 Bad Request\r\nContent-Length: 99\r\n\r\ncut, too", ""},
	{"big bodies", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 320000\r\n\r\n" + big, "HTTP/1.1 200 OK\r\nContent-Length: 320000\r\n\r\n" + big, ""},
	{"big chunk", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4e200\r\n" + big + "\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4E200\r\n" + big + "\r\n0\r\n\r\n", ""},
	{"long head", "GET / HTTP/1.1\r\nHost: x\r\nX: " + big[:20_000] + "\r\n\r\n", "HTTP/1.1 200 OK\r\nX: " + big[:20_000] + "\r\nContent-Length: 0\r\n\r\n", ""},
	{"upgrade refused", "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1", ""},
	{"upgrade", "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x03abc", "upgrade"},
	{"CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n\x00\x01raw", "HTTP/1.1 200 OK\r\n\r\n\x02\x03raw", "connect"},
	{"head beyond the buffer", "GET / HTTP/1.1\r\nHost: x\r\nX: " + big + "\r\n\r\n", "HTTP/1.1 431 Too Large\r\nContent-Length: 0\r\n\r\n", "oversized_head"},
	{"smuggling", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "ambiguous"},
	{"bad chunks", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\nhello", "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "ambiguous"},
	{"bad chunks in the answer", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz", "ambiguous"},
	{"bare LF", "GET / HTTP/1.1\nHost: x\n\n", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "ambiguous"},
	{"bare LF at the end only", "GET / HTTP/1.1\r\nHost: x\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ambiguous"},
	{"folded line", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ambiguous"},
	{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "\x15\x03\x01\x00\x02\x02\x28", "tls"},
	{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00", "\x00\x00\x00\x04\x00\x00\x00\x00\x00", "http2"},
	{"foreign behind a request", "GET / HTTP/1.1\r\nHost: x\r\n\r\n\x00\x01\x02", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "other"},
	{"cut head", "GET / HTT", "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "other"},
	{"no HTTP at all", "PING", "+PONG\r\n", "other"},
}

// scripted is a service that reads the whole request, or only the head if it asks for an upgrade,
// writes the answer and closes. The channel receives what came on each connection.
func scripted(t *testing.T, c conversation) (address string, received <-chan string) {
	t.Helper()
	first := len(c.request)
	if strings.Contains(c.request, "Upgrade:") {
		first = strings.Index(c.request, "\r\n\r\n") + 4
	}
	all := make(chan string, 1)
	return serveEach(t, func(service *net.TCPConn) {
		defer service.Close()
		got := make([]byte, first)
		n, _ := io.ReadFull(service, got)
		io.WriteString(service, c.answer)
		service.CloseWrite()
		rest, _ := io.ReadAll(service)
		all <- string(got[:n]) + string(rest)
	}), all
}

// inFragments writes 1 to 7 bytes at a time; the rest of a long request at once.
func inFragments(c net.Conn, request string) {
	random := rand.New(rand.NewPCG(1, uint64(len(request))))
	for rest := request; rest != ""; {
		n := min(1+random.IntN(7), len(rest))
		if len(request)-len(rest) > 3000 {
			n = len(rest)
		}
		if _, err := io.WriteString(c, rest[:n]); err != nil {
			return
		}
		rest = rest[n:]
	}
}

func atOnce(c net.Conn, request string) { io.WriteString(c, request) }

// converse sends a request and a FIN, and returns everything that comes back.
func converse(t *testing.T, address, request string, write func(net.Conn, string)) string {
	t.Helper()
	c := connect(t, address)
	go func() {
		write(c, request)
		c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil {
		t.Errorf("reading the answer: %v after %d bytes", err, len(got))
	}
	return string(got)
}

func TestBytesPassUnchanged(t *testing.T) {
	for _, c := range conversations {
		for name, write := range map[string]func(net.Conn, string){"at once": atOnce, "in fragments": inFragments} {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				service, received := scripted(t, c)
				r, address := relayTo(t, service, passAll)
				if got := converse(t, address, c.request, write); got != c.answer {
					t.Errorf("the client got %d bytes of %d: %.300q", len(got), len(c.answer), got)
				}
				if got := within(t, "the service's end", received); got != c.request {
					t.Errorf("the service got %d bytes of %d: %.300q", len(got), len(c.request), got)
				}
				noneLeft(t, r)
				n := r.Counters
				if in, out := n.BytesIn.Load(), n.BytesOut.Load(); in != uint64(len(c.request)) || out != uint64(len(c.answer)) {
					t.Errorf("counted %d bytes in and %d out", in, out)
				}
				want := map[string]uint64{}
				if c.unread != "" {
					want[c.unread] = 1
				}
				if kinds, _ := n.Passthrough.Load(); !maps.Equal(kinds, want) || n.Connections.Load() != 1 {
					t.Errorf("%d connections, unread %v, want %v", n.Connections.Load(), kinds, want)
				}
			})
		}
	}
}

// answerAll is a real server with an answer of each kind. Its answers are always the same bytes.
func answerAll(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Date", "Thu, 20 Nov 2026 10:00:00 GMT")
	switch r.URL.Path {
	case "/none":
		w.WriteHeader(http.StatusNoContent)
	case "/hints":
		w.WriteHeader(http.StatusEarlyHints)
		io.WriteString(w, "after hints")
	case "/chunks":
		w.Header().Set("Trailer", "T")
		for _, part := range []string{"a", "bc", "def"} {
			io.WriteString(w, part)
			w.(http.Flusher).Flush()
		}
		w.Header().Set("T", "v")
	default:
		io.WriteString(w, r.Method+" "+r.URL.String()+" "+string(body))
	}
}

// The answer of a real server does not depend on the relay, nor on how the request is cut into
// packets.
func TestRealServerAnswersTheSame(t *testing.T) {
	service := httpService(t, answerAll)
	for name, request := range map[string]string{
		"GET":             "GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n",
		"absolute form":   "GET http://x/a HTTP/1.1\r\nHost: x\r\n\r\n",
		"HEAD":            "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
		"OPTIONS":         "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST":            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
		"empty line":      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"chunks":          "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: v\r\n\r\n",
		"chunked answer":  "GET /chunks HTTP/1.1\r\nHost: x\r\n\r\n",
		"204":             "GET /none HTTP/1.1\r\nHost: x\r\n\r\n",
		"103":             "GET /hints HTTP/1.1\r\nHost: x\r\n\r\n",
		"100":             "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab",
		"HTTP/1.0":        "GET / HTTP/1.0\r\n\r\n",
		"1.0, kept alive": "GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n",
		"close":           "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"big":             "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 320000\r\n\r\n" + big,
		"upgrade refused": "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
		"bare LF":         "GET / HTTP/1.1\nHost: x\n\n",
		"folded line":     "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
		"no host":         "GET / HTTP/1.1\r\n\r\n",
		"pipeline": "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /none HTTP/1.1\r\nHost: x\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: x\r\n\r\n" +
			"GET /chunks HTTP/1.1\r\nHost: x\r\n\r\nPOST /3 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, relayed := relayTo(t, service, passAll)
			direct := converse(t, service, request, atOnce)
			if !strings.HasPrefix(direct, "HTTP/1.") {
				t.Fatalf("the server itself answers %q", direct)
			}
			for way, got := range map[string]string{
				"relayed":              converse(t, relayed, request, atOnce),
				"relayed in fragments": converse(t, relayed, request, inFragments),
			} {
				if got != direct {
					t.Errorf("%s: %.500q\ndirect: %.500q", way, got, direct)
				}
			}
			noneLeft(t, r)
		})
	}
}

// A service whose answers cannot be read keeps its connection. The second request, which would be
// aborted, has to go to the service; otherwise its client would wait for ever.
func TestNothingIsAbortedBehindAnAnswerThatCannotBeRead(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"
	service := serveEach(t, func(c *net.TCPConn) {
		defer c.Close()
		for b := make([]byte, 1000); ; {
			if _, err := c.Read(b); err != nil {
				return
			}
			io.WriteString(c, answer)
		}
	})
	_, address := relayTo(t, service, abortPath("/no"))
	c := connect(t, address)
	for _, path := range []string{"/", "/no"} {
		send(t, c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		got := make([]byte, len(answer))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != answer {
			t.Fatalf("%s: %v, %q", path, err, got)
		}
	}
}

// If the aborted request has come already, its answer can never be placed: the connection ends.
func TestAnAbortWithoutAPlaceEndsTheConnection(t *testing.T) {
	goOn := make(chan bool)
	service := serveEach(t, func(c *net.TCPConn) {
		defer c.Close()
		c.Read(make([]byte, 1000))
		<-goOn
		io.WriteString(c, "HTTP/1.1 200 OK\nContent-Length: 2\n\nok")
		io.Copy(io.Discard, c)
	})
	r, address := relayTo(t, service, abortPath("/no"))
	c := connect(t, address)
	send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /no HTTP/1.1\r\nHost: x\r\n\r\n")
	until(t, "both are read", func() bool { return r.Counters.Requests.Load() == 2 })
	// The second request is in the pipeline a moment later. In either order the client must not hang.
	close(goOn)
	if got, err := io.ReadAll(c); err == nil {
		t.Errorf("got %q and an orderly end", got)
	}
	noneLeft(t, r)
}

func TestUpgradedConnectionsPassBothWays(t *testing.T) {
	service := httpService(t, func(w http.ResponseWriter, _ *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		rw.Flush()
		io.Copy(c, rw)
	})
	r, address := relayTo(t, service, abortPath("/no"))
	c := connect(t, address)
	send(t, c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	const switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
	if got := make([]byte, len(switched)); true {
		if _, err := io.ReadFull(c, got); err != nil || string(got) != switched {
			t.Fatalf("%v, %q", err, got)
		}
	}
	for _, frame := range []string{"\x81\x01a", "GET /no HTTP/1.1\r\nHost: x\r\n\r\n", "\x00"} {
		send(t, c, frame)
		got := make([]byte, len(frame))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != frame {
			t.Fatalf("%v, %q is not %q", err, got, frame)
		}
	}
	c.CloseWrite()
	if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
		t.Errorf("%v, %q", err, rest)
	}
	noneLeft(t, r)
	kinds, sum := r.Counters.Passthrough.Load()
	if sum != 1 || kinds["upgrade"] != 1 || r.Counters.Requests.Load() != 1 {
		t.Errorf("unread %v, %d requests", kinds, r.Counters.Requests.Load())
	}
}
