package http1

import (
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chaosgo/agent/internal/relay"
)

// seen is what a server understood on one connection, request by request.
type seen struct {
	mu       sync.Mutex
	requests []string
}

func (s *seen) add(request string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, request)
}

func (s *seen) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

func (s *seen) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

type seenKey struct{}

// listeningServer is the server of net/http. For each connection it reports what it has understood.
func listeningServer(t testing.TB) (address string, connections <-chan *seen) {
	t.Helper()
	all := make(chan *seen, 16)
	server := &http.Server{
		Handler:  http.HandlerFunc(recordAndAnswer),
		ErrorLog: log.New(io.Discard, "", 0),
		// Without this `OPTIONS *` does not reach the handler.
		DisableGeneralOptionsHandler: true,
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			s := &seen{}
			all <- s
			return context.WithValue(ctx, seenKey{}, s)
		},
	}
	l := listen(t)
	go server.Serve(politeListener{l})
	t.Cleanup(func() { server.Close() })
	return l.Addr().String(), all
}

// politeListener makes the server end every connection without a reset. By itself it closes with
// unread bytes after a bad request, and chance decides how much of the answer the client gets.
type politeListener struct{ *net.TCPListener }

func (l politeListener) Accept() (net.Conn, error) {
	c, err := l.AcceptTCP()
	return politeConn{c}, err
}

type politeConn struct{ *net.TCPConn }

func (c politeConn) Close() error {
	c.CloseWrite()
	c.SetDeadline(time.Now().Add(patience))
	io.Copy(io.Discard, c.TCPConn)
	return c.TCPConn.Close()
}

// recordAndAnswer records everything that a handler can see, and answers in one of several ways. The
// answer depends on the request alone.
func recordAndAnswer(w http.ResponseWriter, r *http.Request) {
	s := r.Context().Value(seenKey{}).(*seen)
	head := fmt.Sprintf("%s %s %s host=%s %v length=%d %v close=%v", r.Method, r.RequestURI, r.Proto, r.Host,
		r.TransferEncoding, r.ContentLength, r.Header, r.Close)
	w.Header().Set("Date", "Thu, 20 Nov 2026 10:00:00 GMT")
	if strings.HasSuffix(r.URL.Path, "/early") { // it answers before the body has come
		s.add(head)
		io.WriteString(w, "early")
		return
	}
	if r.Method == "CONNECT" || r.Header.Get("Upgrade") == "echo" {
		s.add(head)
		echo(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	s.add(fmt.Sprintf("%s body=%q (%v) trailers=%v", head, body, err, r.Trailer))
	answerInAWay(w, r, body)
}

func answerInAWay(w http.ResponseWriter, r *http.Request, body []byte) {
	switch len(r.URL.Path) % 5 {
	case 0:
		w.WriteHeader(http.StatusNoContent)
	case 1:
		w.Write(body)
	case 2:
		w.WriteHeader(http.StatusEarlyHints)
		io.WriteString(w, r.Method)
	case 3:
		w.Header().Set("Trailer", "T")
		io.WriteString(w, "chunks")
		w.(http.Flusher).Flush()
		w.Write(body)
		w.Header().Set("T", "v")
	case 4:
		w.WriteHeader(http.StatusNotModified)
	}
}

// echo switches protocols and sends back what comes.
func echo(w http.ResponseWriter, r *http.Request) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	if r.Method == "CONNECT" {
		rw.WriteString("HTTP/1.1 200 OK\r\n\r\n")
	} else {
		rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	}
	rw.Flush()
	io.Copy(c, rw)
}

// inCuts sends bytes in random portions. The seed decides whether these are as short as a byte or as
// long as a buffer.
func inCuts(c net.Conn, bytes []byte, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	most := 1 << (seed % 14)
	for len(bytes) > 0 {
		n := min(1+random.IntN(most), len(bytes))
		if _, err := c.Write(bytes[:n]); err != nil {
			return
		}
		bytes = bytes[n:]
	}
}

// tell sends bytes and a FIN, and returns everything that comes back.
func tell(address string, bytes []byte, seed uint64) (string, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	go func() {
		inCuts(c, bytes, seed)
		c.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	return string(got), err
}

// Whatever a client sends, the server of net/http understands the same requests in the same order, and
// the client gets the same bytes, with the relay and without it. Whatever the relay takes for a
// request is a request for the server too.
func FuzzAgainstServer(f *testing.F) {
	server, connections := listeningServer(f)
	var judged seen
	r, relayed := relayTo(f, server, func(r *relay.Request) relay.Outcome {
		judged.add(fmt.Sprintf("%s %s ", r.Method, r.Target))
		return relay.Outcome{}
	})
	f.Fuzz(func(t *testing.T, sent []byte, seed uint64) {
		answer, err := tell(server, sent, 13)
		if err != nil {
			t.Fatalf("%q: the server itself ends with %v", sent, err)
		}
		understood := within(t, "the connection", connections).all()
		judged.clear()
		_, unreadBefore := r.Counters.Passthrough.Load()
		relayedAnswer, err := tell(relayed, sent, seed)
		if err != nil {
			t.Errorf("%q: direct it ends in order, relayed with %v", sent, err)
		}
		if left := r.Wait(patience); left > 0 {
			t.Fatalf("%q: %d connections are left", sent, left)
		}
		relayedUnderstood := within(t, "the relayed connection", connections).all()
		if !slices.Equal(understood, relayedUnderstood) {
			t.Errorf("%q is understood as\n%q, relayed as\n%q", sent, understood, relayedUnderstood)
		}
		if answer != relayedAnswer {
			t.Errorf("%q is answered by\n%q, relayed by\n%q", sent, answer, relayedAnswer)
		}
		_, unread := r.Counters.Passthrough.Load()
		sameRequests(t, judged.all(), understood, unread > unreadBefore)
	})
}

// sameRequests compares what the relay judged with what the server understood. Either may have read
// further: the relay after a request that the server refuses, the server in what is relayed unread.
func sameRequests(t *testing.T, judged, understood []string, unread bool) {
	t.Helper()
	for i := range min(len(judged), len(understood)) {
		if !strings.HasPrefix(understood[i], judged[i]) {
			t.Errorf("request %d is %q to the relay, %q to the server", i, judged[i], understood[i])
		}
	}
	if len(judged) < len(understood) && !unread {
		t.Errorf("the relay judged %q, the server got %q", judged, understood)
	}
}
