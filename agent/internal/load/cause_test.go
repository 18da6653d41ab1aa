package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"syscall"
	"testing"
	"time"

	"chaosgo/agent/internal/testnet"
)

// listen gives the URL of a TCP service that treats each connection as told once a request has arrived on it.
func listen(t *testing.T, treat func(*net.TCPConn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					treat(conn.(*net.TCPConn))
				}
			}()
		}
	}()
	return "http://" + listener.Addr().String()
}

func answer(text string) func(*net.TCPConn) {
	return func(conn *net.TCPConn) { fmt.Fprint(conn, text) }
}

// refusing gives the URL of a port at which nothing listens.
func refusing(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	return s.URL
}

func TestEveryFailureHasItsCause(t *testing.T) {
	status := func(n int) string {
		return serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(n) })
	}
	for _, c := range []struct{ name, url, want string }{
		{"an answer", status(200), ""},
		{"a mistake of the client", status(404), ""},
		{"an error of the service", status(500), "500"},
		{"a service that is not there", status(503), "503"},
		{"nothing listens", refusing(t), "refused"},
		{"a reset", listen(t, func(conn *net.TCPConn) { conn.SetLinger(0) }), "reset"}, //nolint:errcheck // the cause tells
		{"no answer", listen(t, func(*net.TCPConn) {}), "closed"},
		{"half of a head", listen(t, answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n")), "closed"},
		{"half of a body", listen(t, answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")), "closed"},
		{"half of a body of an error", listen(t, answer("HTTP/1.1 503 Off\r\nContent-Length: 9\r\n\r\nhalf")), "closed"},
		{"half of a chunk", listen(t, answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf")), "closed"},
		{"silence", listen(t, func(conn *net.TCPConn) { io.Copy(io.Discard, conn) }), "timeout"}, //nolint:errcheck // the client ends it
		{"a slow body", listen(t, func(conn *net.TCPConn) {
			answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")(conn)
			io.Copy(io.Discard, conn) //nolint:errcheck // the client ends it
		}), "timeout"},
		{"not HTTP", listen(t, answer("220 mail ready\r\n")), "other"},
	} {
		if got := sendOnce(c.url); got.cause != c.want {
			t.Errorf("%s: got %q (%+v), want %q", c.name, got.cause, got, c.want)
		}
	}
}

func sendOnce(url string) result {
	g := Generator{load: Load{URL: url, Method: "POST", Body: "x"}, client: newClient(1), timeout: 300 * time.Millisecond}
	defer g.client.CloseIdleConnections()
	return g.send()
}

func TestCausesWithoutANetwork(t *testing.T) {
	if !testnet.Inside(t) {
		return
	}
	for url, want := range map[string]string{"http://192.0.2.1/": "unreachable", "http://no.such.invalid/": "unresolved"} {
		if got := sendOnce(url); got.cause != want {
			t.Errorf("%s: got %q, want %q", url, got.cause, want)
		}
	}
}

// A kept connection that the service closes is a race between the client's request and the end, so this test
// asks until the request has lost it.
func TestAKeptConnectionThatEndsUnderARequestIsClosedOrReset(t *testing.T) {
	target := listen(t, answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	g := Generator{load: Load{URL: target, Method: "POST", Body: "x"}, client: newClient(1), timeout: time.Second}
	defer g.client.CloseIdleConnections()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		switch cause := g.send().cause; cause {
		case "":
		case causeClosed, causeReset:
			return
		default:
			t.Fatalf("failed as %q", cause)
		}
	}
	t.Error("no request failed in 10 s")
}

func TestCausesOfErrorsThatAreHardToCause(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, "unreachable"},
		{&net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}, "closed"},
		{errors.New("http: server closed idle connection"), "closed"},
		{&net.DNSError{Err: "i/o timeout", IsTimeout: true}, "timeout"},
		{context.Canceled, "other"},
	} {
		if got := causeOf(0, &url.Error{Op: "Post", Err: c.err}); got != c.want {
			t.Errorf("%v: got %q, want %q", c.err, got, c.want)
		}
	}
}

func TestFailuresAreListedWithTheirTimes(t *testing.T) {
	const slowness = 40 * time.Millisecond
	target := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(slowness)
		w.WriteHeader(503)
	})
	seconds, totals := run(t, Load{URL: target, RateRPS: 50}, 1300*time.Millisecond)
	if len(seconds) != 2 || len(seconds[0].Failures) != 50 || len(totals.Failures) != 0 {
		t.Fatalf("%d seconds, the totals list %d failures: %+v", len(seconds), len(totals.Failures), seconds)
	}
	for i, s := range seconds {
		times := map[float64]bool{}
		for _, failure := range s.Failures {
			if failure.Cause != "503" || failure.TookMS < 40 {
				t.Errorf("second %d: %+v", i, failure)
			}
			times[failure.AtMS] = true
		}
		for n := range s.Intended {
			if !times[float64(20*n)] {
				t.Errorf("second %d: no failure of the request that was due at %d ms: %v", i, 20*n, times)
			}
		}
	}
	if totals.FailuresByCause["503"] != totals.Sent {
		t.Errorf("of %d requests: %v", totals.Sent, totals.FailuresByCause)
	}
}

func TestAListOfFailuresIsBoundedAndItsCountsAreNot(t *testing.T) {
	var seconds []LoadSecond
	l := newLedger(func(s LoadSecond) { seconds = append(seconds, s) })
	anHourAgo := time.Now().Add(-time.Hour)
	l.begin(anHourAgo, anHourAgo)
	const perSecond, lasting = mostListedOfSecond + 50, mostListed/mostListedOfSecond + 2
	for second := range lasting {
		for range perSecond {
			intended := l.origin.Add(time.Duration(second) * time.Second)
			number := l.intend(intended, intended)
			l.finish(job{second: number, intended: intended}, result{cause: causeRefused})
		}
	}
	l.end()
	for i, s := range seconds {
		want := mostListedOfSecond
		if i >= mostListed/mostListedOfSecond {
			want = 0
		}
		if len(s.Failures) != want || s.FailuresByCause[causeRefused] != perSecond {
			t.Errorf("second %d lists %d of %v, want %d of %d", i, len(s.Failures), s.FailuresByCause, want, perSecond)
		}
	}
	if len(seconds) != lasting {
		t.Errorf("%d seconds, want %d", len(seconds), lasting)
	}
}
