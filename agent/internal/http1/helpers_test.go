package http1

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"chaosgo/agent/internal/relay"
)

// patience bounds every wait of these tests; a correct relay never needs it.
const patience = 20 * time.Second

func listen(t testing.TB) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

func connect(t testing.TB, address string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// serveEach accepts until the test ends and runs serve for each connection, with patience.
func serveEach(t testing.TB, serve func(*net.TCPConn)) (address string) {
	t.Helper()
	l := listen(t)
	go func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			go func() {
				c.SetDeadline(time.Now().Add(patience))
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}

func passAll(*relay.Request) relay.Outcome { return relay.Outcome{} }

// relayTo puts a relay in front of a service.
func relayTo(t testing.TB, service string, decide relay.Decider) (r *Relay, address string) {
	t.Helper()
	r = &Relay{Decide: decide, Counters: &relay.Counters{}}
	return r, inFront(t, r, service)
}

// inFront has a relay accept connections for a service.
func inFront(t testing.TB, r *Relay, service string) (address string) {
	t.Helper()
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
					reset(client)
					return
				}
				r.Serve(client, upstream.(*net.TCPConn))
			}()
		}
	}()
	return l.Addr().String()
}

func httpService(t testing.TB, handle http.HandlerFunc) (address string) {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.Listener.Addr().String()
}

// answerPath answers each request with its path, once it has read its body.
func answerPath(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	io.WriteString(w, r.URL.Path)
}

func send(t testing.TB, c net.Conn, bytes string) {
	t.Helper()
	if _, err := io.WriteString(c, bytes); err != nil {
		t.Fatalf("sending: %v", err)
	}
}

// readAnswer reads one answer to the end of its body.
func readAnswer(t testing.TB, from *bufio.Reader, method string) (w *http.Response, body string) {
	t.Helper()
	w, err := http.ReadResponse(from, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("reading an answer: %v", err)
	}
	raw, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatalf("reading the body of an answer: %v", err)
	}
	return w, string(raw)
}

func within[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("not reached")
	}
}

func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// noneLeft checks that every connection of the relay has come to its end.
func noneLeft(t testing.TB, r *Relay) {
	t.Helper()
	if left := r.Wait(patience); left != 0 {
		t.Errorf("%d connections are left", left)
	}
}
