package relay

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const patience = 10 * time.Second

func dial(t testing.TB, address string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

func listen(t testing.TB) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

// front puts a relay before a service and gives its address.
func front(t testing.TB, service string, decide Decider) (*Relay, string) {
	t.Helper()
	if decide == nil {
		decide = func(*Request) Outcome { return Outcome{} }
	}
	r := &Relay{Decide: decide, Counters: &Counters{}, Sleep: time.Sleep}
	l := listen(t)
	go func() {
		for {
			client, err := l.AcceptTCP()
			if err != nil {
				return
			}
			go func() {
				upstream, err := net.Dial("tcp", service)
				if err != nil {
					client.Close()
					return
				}
				r.Serve(client, upstream.(*net.TCPConn))
			}()
		}
	}()
	return r, l.Addr().String()
}

// recorder is a service that answers every connection with fixed bytes, once the client has sent
// its own, and tells what it received.
func recorder(t testing.TB, answer string, after int) (string, <-chan []byte) {
	t.Helper()
	received := make(chan []byte, 1)
	l := listen(t)
	go func() {
		c, err := l.AcceptTCP()
		if err != nil {
			return
		}
		defer c.Close()
		got := make([]byte, after)
		io.ReadFull(c, got)
		io.WriteString(c, answer)
		c.CloseWrite()
		rest, _ := io.ReadAll(c)
		received <- append(got, rest...)
	}()
	return l.Addr().String(), received
}

var big = strings.Repeat("0123456789abcdef", 20_000) // 320 kB: beyond every buffer, spliced

// conversations are what a client sends and what the service answers, byte by byte.
var conversations = []struct{ name, request, answer string }{
	{"get", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
	{"odd case and spaces", "GET /a%20b?c=d HTTP/1.1\r\nhOsT:x  \r\nX:\t y\r\n\r\n", "HTTP/1.1 200\r\ncontent-length:2\r\n\r\nok"},
	{"post", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"},
	{"chunked both ways", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: v\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"},
	{"pipeline", "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nzGET /3 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n3"},
	{"head", "HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
	{"204 and 304", "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"},
	{"100 and 103", "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
	{"upgrade", "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x03abc"},
	{"upgrade refused", "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"},
	{"connect", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n\x00\x01raw", "HTTP/1.1 200 OK\r\n\r\n\x02\x03raw"},
	{"1.0 until close", "GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nall of it"},
	{"big both ways", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 320000\r\n\r\n" + big, "HTTP/1.1 200 OK\r\nContent-Length: 320000\r\n\r\n" + big},
	{"big chunk", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4e200\r\n" + big + "\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
	{"huge head", "GET / HTTP/1.1\r\nHost: x\r\nX: " + big + "\r\n\r\n", "HTTP/1.1 431 Too Large\r\nContent-Length: 0\r\n\r\n"},
	{"smuggling", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"},
	{"bad chunks", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello", "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"},
	{"bare LF", "GET / HTTP/1.1\nHost: x\n\n", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"},
	{"folded", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
	{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "\x15\x03\x01\x00\x02\x02\x28"},
	{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00", "\x00\x00\x00\x04\x00\x00\x00\x00\x00"},
	{"truncated head", "GET / HTT", "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"},
	{"server first", "PING", "220 hello\r\n"},
}

// answeredAfter is how much of the request the service reads before it answers. A client that asks
// for an upgrade has to hear the answer before what follows can be understood.
func answeredAfter(request string) int {
	if strings.Contains(request, "Upgrade:") {
		return strings.Index(request, "\r\n\r\n") + 4
	}
	return len(request)
}

// converse sends in portions and gives everything that comes back.
func converse(t *testing.T, address, request string, portion func() int) []byte {
	t.Helper()
	c := dial(t, address)
	go func() {
		for rest := request; rest != ""; {
			n := min(portion(), len(rest))
			if _, err := io.WriteString(c, rest[:n]); err != nil {
				return
			}
			rest = rest[n:]
		}
		c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("reading the answer: %v after %d bytes", err, len(got))
	}
	return got
}

func TestBytesPassUnchanged(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, c := range conversations {
		for name, portion := range map[string]func() int{
			"at once": func() int { return len(c.request) },
			"1 to 7":  func() int { return 1 + random.IntN(7) },
		} {
			if name == "1 to 7" && len(c.request) > 10_000 {
				portion = func() int { return 1 + random.IntN(700) }
			}
			t.Run(c.name+"/"+name, func(t *testing.T) {
				service, received := recorder(t, c.answer, answeredAfter(c.request))
				_, address := front(t, service, nil)
				if got := converse(t, address, c.request, portion); string(got) != c.answer {
					t.Errorf("the client got %d bytes, not the %d sent: %.200q", len(got), len(c.answer), got)
				}
				select {
				case got := <-received:
					if string(got) != c.request {
						t.Errorf("the service got %d bytes, not the %d sent: %.200q", len(got), len(c.request), got)
					}
				case <-time.After(patience):
					t.Error("the service still reads")
				}
			})
		}
	}
}

func TestBlindConnectionsAreCounted(t *testing.T) {
	for _, c := range conversations {
		blind := map[string]bool{"upgrade": true, "connect": true, "huge head": true, "smuggling": true, "bad chunks": true,
			"bare LF": true, "folded": true, "TLS": true, "HTTP/2": true, "truncated head": true, "server first": true}[c.name]
		service, _ := recorder(t, c.answer, answeredAfter(c.request))
		r, address := front(t, service, nil)
		converse(t, address, c.request, func() int { return len(c.request) })
		if got := r.Counters.Passthrough.Load(); got != map[bool]uint64{true: 1}[blind] {
			t.Errorf("%s: %d connections counted as passthrough, blind: %v", c.name, got, blind)
		}
		if r.Counters.Connections.Load() != 1 || r.Counters.BytesOut.Load() != uint64(len(c.answer)) {
			t.Errorf("%s: %d connections, %d bytes out of %d", c.name, r.Counters.Connections.Load(), r.Counters.BytesOut.Load(), len(c.answer))
		}
	}
}

// echo answers with the path it was asked for.
func echo(t testing.TB) (string, *atomic.Int64) {
	var served atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, r.URL.Path)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), &served
}

var unavailable = NewResponse(503, map[string]string{"Retry-After": "1"}, "injected")

func abortPath(path string) Decider {
	return func(r *Request) Outcome {
		if r.Path() == path {
			return Outcome{Abort: unavailable}
		}
		return Outcome{}
	}
}

func TestAbortedAnswersKeepTheirPlaceInThePipeline(t *testing.T) {
	service, served := echo(t)
	_, address := front(t, service, abortPath("/no"))
	c := dial(t, address)
	paths := []string{"/1", "/no", "/2", "/no", "/no", "/3"}
	for i, path := range paths {
		body := strings.Repeat("x", i)
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
	}
	answers := bufio.NewReader(c)
	for _, path := range paths {
		w, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(w.Body)
		if path == "/no" && (w.StatusCode != 503 || string(body) != "injected" || w.Header.Get("Retry-After") != "1") ||
			path != "/no" && (w.StatusCode != 200 || string(body) != path) {
			t.Errorf("%s got %d %q", path, w.StatusCode, body)
		}
	}
	if served.Load() != 3 {
		t.Errorf("the service saw %d requests, want 3", served.Load())
	}
}

func TestAbortOf(t *testing.T) {
	const long = 1 << 20
	for _, c := range []struct {
		name, request string
		closes        bool
		body          string
	}{
		{"get", "GET /no HTTP/1.1\r\nHost: x\r\n\r\n", false, "injected"},
		{"head", "HEAD /no HTTP/1.1\r\nHost: x\r\n\r\n", false, ""},
		{"chunked", "POST /no HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", false, "injected"},
		{"1.0", "GET /no HTTP/1.0\r\n\r\n", true, "injected"},
		{"close", "GET /no HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", true, "injected"},
		{"body not sent yet", "POST /no HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", true, "injected"},
		{"long body", fmt.Sprintf("POST /no HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\nbegin", long), true, "injected"},
		{"bad chunks", "POST /no HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz", true, "injected"},
	} {
		t.Run(c.name, func(t *testing.T) {
			service, served := echo(t)
			_, address := front(t, service, abortPath("/no"))
			connection := dial(t, address)
			io.WriteString(connection, c.request)
			method, _, _ := strings.Cut(c.request, " ")
			answers := bufio.NewReader(connection)
			w, err := http.ReadResponse(answers, &http.Request{Method: method})
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(w.Body)
			if w.StatusCode != 503 || string(body) != c.body || w.Close != c.closes {
				t.Errorf("got %d %q, closes: %v", w.StatusCode, body, w.Close)
			}
			if c.closes {
				connection.CloseWrite()
				if rest, err := io.ReadAll(answers); err != nil || len(rest) > 0 {
					t.Errorf("after the last answer: %q, %v", rest, err)
				}
			} else {
				io.WriteString(connection, "GET /next HTTP/1.1\r\nHost: x\r\n\r\n")
				if w, err = http.ReadResponse(answers, nil); err != nil || w.StatusCode != 200 {
					t.Errorf("the next request: %v", err)
				}
			}
			if want := map[bool]int64{false: 1}[c.closes]; served.Load() != want {
				t.Errorf("the service saw %d requests, want %d", served.Load(), want)
			}
		})
	}
}

func TestRequestsAreReadOnAfterAnUpgradeIsRefused(t *testing.T) {
	service, served := echo(t)
	_, address := front(t, service, abortPath("/no"))
	c := dial(t, address)
	io.WriteString(c, "GET /1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nGET /no HTTP/1.1\r\nHost: x\r\n\r\n")
	answers := bufio.NewReader(c)
	for _, want := range []int{200, 503} {
		w, err := http.ReadResponse(answers, nil)
		if err != nil || w.StatusCode != want {
			t.Fatalf("got %v, %v, want %d", w, err, want)
		}
		io.Copy(io.Discard, w.Body)
	}
	if served.Load() != 1 {
		t.Errorf("the service saw %d requests", served.Load())
	}
}

func TestDelayHoldsBeforeTheServiceAndReports(t *testing.T) {
	service, served := echo(t)
	entered, release := make(chan time.Duration), make(chan bool)
	obtained := make(chan time.Duration, 1)
	r, address := front(t, service, func(*Request) Outcome {
		return Outcome{Delay: time.Minute, Delayed: func(d time.Duration) { obtained <- d }}
	})
	r.Sleep = func(d time.Duration) { entered <- d; <-release }
	c := dial(t, address)
	io.WriteString(c, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	if d := <-entered; d != time.Minute || served.Load() != 0 {
		t.Errorf("held for %v, the service saw %d requests", d, served.Load())
	}
	close(release)
	if w, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || w.StatusCode != 200 {
		t.Errorf("got %v", err)
	}
	if d := <-obtained; d <= 0 || d > patience {
		t.Errorf("obtained %v", d)
	}
}

func TestClientThatLeavesCancelsTheRequest(t *testing.T) {
	begun, cancelled := make(chan bool), make(chan error, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun <- true
		select {
		case <-r.Context().Done():
			cancelled <- nil
		case <-time.After(patience):
			cancelled <- context.DeadlineExceeded
		}
	}))
	defer s.Close()
	_, address := front(t, s.Listener.Addr().String(), nil)
	c := dial(t, address)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-begun
	c.Close()
	if err := <-cancelled; err != nil {
		t.Error("the service never learned that its client had left")
	}
}

func TestServiceThatResetsIsAResetForTheClient(t *testing.T) {
	l := listen(t)
	go func() {
		c, err := l.AcceptTCP()
		if err == nil {
			c.Read(make([]byte, 10))
			reset(c)
		}
	}()
	_, address := front(t, l.Addr().String(), nil)
	c := dial(t, address)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := io.ReadAll(c); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("got %v, want a reset", err)
	}
}

func TestAnswerBeforeTheRequestHasEnded(t *testing.T) {
	l := listen(t)
	go func() {
		c, err := l.AcceptTCP()
		if err != nil {
			return
		}
		c.Read(make([]byte, 100))
		io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		c.Close()
	}()
	_, address := front(t, l.Addr().String(), nil)
	c := dial(t, address)
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nbegin")
	if w, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || w.StatusCode != 413 {
		t.Errorf("got %v, %v", w, err)
	}
}

func TestEventsAreNotHeldBack(t *testing.T) {
	more := make(chan bool)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "data: 1\n\n")
		w.(http.Flusher).Flush()
		<-more
	}))
	defer s.Close()
	_, address := front(t, s.Listener.Addr().String(), nil)
	c := dial(t, address)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	w, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(w.Body).ReadString('\n'); err != nil || line != "data: 1\n" {
		t.Errorf("got %q, %v", line, err)
	}
	close(more)
}

// Requests in a row without a gap, on connections that are kept alive, while the relay begins to
// drain: the clients see nothing but answers.
func TestDrainLosesNoRequest(t *testing.T) {
	service, _ := echo(t)
	r, address := front(t, service, nil)
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	client := &http.Client{Transport: transport, Timeout: patience}
	ctx, stop := context.WithCancel(context.Background())
	failed, done := make(chan error, 8), make(chan int, 8)
	for range 8 {
		go func() {
			n := 0
			for ; ctx.Err() == nil; n++ {
				w, err := client.Post("http://"+address+"/x", "text/plain", strings.NewReader("hello"))
				if err != nil {
					failed <- err
					break
				}
				io.Copy(io.Discard, w.Body)
				w.Body.Close()
			}
			done <- n
		}()
	}
	for r.Counters.Requests.Load() < 200 {
		time.Sleep(time.Millisecond)
	}
	opened := r.Counters.Connections.Load()
	r.Drain()
	for r.Counters.Connections.Load() < opened+16 { // every client had to connect again, twice
		time.Sleep(time.Millisecond)
	}
	stop()
	for range 8 {
		if n := <-done; n == 0 {
			t.Error("a client made no request")
		}
	}
	select {
	case err := <-failed:
		t.Errorf("a request failed: %v", err)
	default:
	}
	transport.CloseIdleConnections()
	if left := r.Wait(patience); left > 0 {
		t.Errorf("%d connections are left", left)
	}
}

func TestCloseAllEndsIdleConnections(t *testing.T) {
	service, _ := echo(t)
	r, address := front(t, service, nil)
	c := dial(t, address)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	answers := bufio.NewReader(c)
	w, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, w.Body)
	if left := r.Wait(0); left != 1 {
		t.Fatalf("%d connections live, want 1", left)
	}
	r.CloseAll()
	if rest, err := answers.ReadByte(); err != io.EOF {
		t.Errorf("got %d, %v", rest, err)
	}
	if left := r.Wait(patience); left != 0 {
		t.Errorf("%d connections are left", left)
	}
}

func TestNewResponse(t *testing.T) {
	raw := NewResponse(429, map[string]string{"X-A": "1", "content-type": "application/json"}, "{}").bytes(false, true)
	w, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(w.Body)
	if w.StatusCode != 429 || string(body) != "{}" || !w.Close || w.Header.Get("X-A") != "1" ||
		w.Header.Get("Content-Type") != "application/json" || w.Header.Get("Date") == "" || w.ContentLength != 2 {
		t.Errorf("got %q", raw)
	}
	if raw := NewResponse(204, nil, "").bytes(false, false); bytes.Contains(raw, []byte("Content-")) {
		t.Errorf("a 204 says something about a body: %q", raw)
	}
}
