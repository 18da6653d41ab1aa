package http1

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chaosgo/agent/internal/relay"
)

var unavailable = relay.NewResponse(503, map[string]string{"Retry-After": "1"}, "injected")

func abortPath(path string) relay.Decider {
	return func(r *relay.Request) relay.Outcome {
		if r.Path() == path {
			return relay.Outcome{Abort: unavailable}
		}
		return relay.Outcome{}
	}
}

// countedService answers with the path and counts what it was asked.
func countedService(t *testing.T) (address string, served *atomic.Int64) {
	served = new(atomic.Int64)
	return httpService(t, func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		answerPath(w, r)
	}), served
}

func TestAnswersKeepTheOrderOfTheirRequests(t *testing.T) {
	service, served := countedService(t)
	r, address := relayTo(t, service, abortPath("/no"))
	paths := []string{"/no", "/1", "/no", "/2", "/no", "/no", "/3"}
	var pipeline strings.Builder
	for i, path := range paths {
		fmt.Fprintf(&pipeline, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, i, strings.Repeat("x", i))
	}
	for _, write := range []func(net.Conn, string){atOnce, inFragments} {
		served.Store(0)
		c := connect(t, address)
		go write(c, pipeline.String())
		answers := bufio.NewReader(c)
		for _, path := range paths {
			w, body := readAnswer(t, answers, "POST")
			if path == "/no" && (w.StatusCode != 503 || body != "injected") || path != "/no" && (w.StatusCode != 200 || body != path) {
				t.Errorf("%s got %s %q", path, w.Status, body)
			}
		}
		if served.Load() != 3 {
			t.Errorf("the service saw %d requests", served.Load())
		}
		c.Close()
	}
	noneLeft(t, r)
}

func TestMoreRequestsThanMayWaitAreHeldBackNotLost(t *testing.T) {
	service, _ := countedService(t)
	_, address := relayTo(t, service, abortPath("/no"))
	c := connect(t, address)
	const n = 3 * maxPipelined
	go io.WriteString(c, strings.Repeat("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /no HTTP/1.1\r\nHost: x\r\n\r\n", n/2))
	answers := bufio.NewReader(c)
	for i := range n {
		if w, _ := readAnswer(t, answers, "GET"); w.StatusCode != 200+303*(i%2) {
			t.Fatalf("answer %d is %s", i, w.Status)
		}
	}
}

func TestAbort(t *testing.T) {
	for _, c := range []struct {
		name, request string
		closes        bool
	}{
		{"GET", "GET /no HTTP/1.1\r\nHost: x\r\n\r\n", false},
		{"HEAD", "HEAD /no HTTP/1.1\r\nHost: x\r\n\r\n", false},
		{"body", "POST /no HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", false},
		{"body beyond the buffer", "POST /no HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + big[:200_000], false},
		{"chunks", "POST /no HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", false},
		{"behind an empty line", "\r\nGET /no HTTP/1.1\r\nHost: x\r\n\r\n", false},
		{"HTTP/1.0", "GET /no HTTP/1.0\r\n\r\n", true},
		{"close", "GET /no HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", true},
		{"body to be asked for", "POST /no HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", true},
		{"long body, begun", "POST /no HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nbegin", true},
		{"endless chunks", "POST /no HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4e200\r\n" + big, true},
		{"bad chunks", "POST /no HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			checkAbort(t, c.request, c.closes)
		})
	}
}

func checkAbort(t *testing.T, request string, closes bool) {
	service, served := countedService(t)
	r, address := relayTo(t, service, abortPath("/no"))
	client := connect(t, address)
	go io.WriteString(client, request)
	answers := bufio.NewReader(client)
	method, _, _ := strings.Cut(strings.TrimSpace(request), " ")
	w, body := readAnswer(t, answers, method)
	if wantBody := map[bool]string{false: "injected"}[method == "HEAD"]; w.StatusCode != 503 || body != wantBody || w.Close != closes {
		t.Errorf("got %s %q, close %v", w.Status, body, w.Close)
	}
	if closes {
		if rest, err := io.ReadAll(answers); err != nil || len(rest) > 0 {
			t.Errorf("behind the last answer: %q, %v", rest, err)
		}
	} else {
		send(t, client, "GET /next HTTP/1.1\r\nHost: x\r\n\r\n")
		if w, body := readAnswer(t, answers, "GET"); w.StatusCode != 200 || body != "/next" {
			t.Errorf("the next request got %s %q", w.Status, body)
		}
	}
	client.Close()
	noneLeft(t, r)
	if want := map[bool]int64{false: 1}[closes]; served.Load() != want {
		t.Errorf("the service saw %d requests, want %d", served.Load(), want)
	}
}

// Our answer, which is the last one, is ready while the answer before it is still to come.
func TestLastAbortWaitsForTheAnswersBeforeIt(t *testing.T) {
	goOn := make(chan bool)
	service := httpService(t, func(w http.ResponseWriter, r *http.Request) {
		<-goOn
		answerPath(w, r)
	})
	r, address := relayTo(t, service, abortPath("/no"))
	c := connect(t, address)
	send(t, c, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET /no HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	until(t, "both are read", func() bool { return r.Counters.Requests.Load() == 2 })
	close(goOn)
	answers := bufio.NewReader(c)
	if w, body := readAnswer(t, answers, "GET"); w.StatusCode != 200 || body != "/slow" {
		t.Errorf("first: %s %q", w.Status, body)
	}
	if w, _ := readAnswer(t, answers, "GET"); w.StatusCode != 503 || !w.Close {
		t.Errorf("second: %s, close %v", w.Status, w.Close)
	}
	c.Close()
	noneLeft(t, r)
}

func TestRequestsAreReadOnWhenAnUpgradeIsRefused(t *testing.T) {
	service, _ := countedService(t)
	_, address := relayTo(t, service, abortPath("/no"))
	c := connect(t, address)
	send(t, c, "GET /1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nGET /no HTTP/1.1\r\nHost: x\r\n\r\n")
	answers := bufio.NewReader(c)
	for _, want := range []int{200, 503} {
		if w, _ := readAnswer(t, answers, "GET"); w.StatusCode != want {
			t.Errorf("got %s, want %d", w.Status, want)
		}
	}
}

func TestDelayedAbort(t *testing.T) {
	service, served := countedService(t)
	var holds atomic.Int64
	_, address := relayTo(t, service, func(*relay.Request) relay.Outcome {
		return relay.Outcome{Hold: func(<-chan struct{}) { holds.Add(1) }, Abort: unavailable}
	})
	c := connect(t, address)
	send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if w, _ := readAnswer(t, bufio.NewReader(c), "GET"); w.StatusCode != 503 || holds.Load() != 1 || served.Load() != 0 {
		t.Errorf("%s after %d holds, the service saw %d requests", w.Status, holds.Load(), served.Load())
	}
}

func TestAHalfClosedClientGetsItsAnswer(t *testing.T) {
	goOn := make(chan bool)
	service := serveEach(t, func(c *net.TCPConn) { // net/http gives up such clients
		defer c.Close()
		io.Copy(io.Discard, c)
		<-goOn
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	})
	r, address := relayTo(t, service, passAll)
	c := connect(t, address)
	send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	c.CloseWrite()
	close(goOn)
	if w, body := readAnswer(t, bufio.NewReader(c), "GET"); w.StatusCode != 200 || body != "ok" {
		t.Errorf("got %s %q", w.Status, body)
	}
	noneLeft(t, r)
}

func TestExpectContinueGoesTheWholeWay(t *testing.T) {
	service := httpService(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refuse" {
			w.WriteHeader(http.StatusExpectationFailed)
			return
		}
		io.Copy(w, r.Body)
	})
	_, address := relayTo(t, service, passAll)
	c := connect(t, address)
	send(t, c, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
	answers := bufio.NewReader(c)
	if line, err := answers.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	answers.ReadString('\n')
	send(t, c, "body")
	if _, body := readAnswer(t, answers, "POST"); body != "body" {
		t.Errorf("got %q", body)
	}
	send(t, c, "POST /refuse HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
	if w, _ := readAnswer(t, answers, "POST"); w.StatusCode != http.StatusExpectationFailed {
		t.Errorf("got %s", w.Status)
	}
}

// A client that uploads for ever can read the 413 of a service that has closed.
func TestTheAnswerOfAServiceThatTakesNoMoreIsNotLost(t *testing.T) {
	service := serveEach(t, func(c *net.TCPConn) {
		c.Read(make([]byte, 100))
		io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		c.CloseWrite()
		c.SetReadDeadline(time.Now())
		c.Close()
	})
	r, address := relayTo(t, service, passAll)
	for range 20 {
		c := connect(t, address)
		send(t, c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
		go func() {
			for {
				if _, err := io.WriteString(c, "5\r\nhello\r\n"); err != nil {
					return
				}
			}
		}()
		w, err := http.ReadResponse(bufio.NewReader(c), nil)
		// A reset by the service may overtake its own answer, with the relay and without it.
		var opErr *net.OpError
		if err != nil && !errors.As(err, &opErr) || err == nil && w.StatusCode != 413 {
			t.Fatalf("got %v, %v", w, err)
		}
		c.Close()
	}
	noneLeft(t, r)
}

// Our answer comes right after the one before it, so the relay must know whether that one has a body.
func TestAnAbortBehindAnAnswerWithoutABody(t *testing.T) {
	for name, c := range map[string]struct{ method, answer string }{
		"HEAD":          {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"},
		"HEAD, chunked": {"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
		"204":           {"GET", "HTTP/1.1 204 No Content\r\n\r\n"},
		"304":           {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"},
		"interim":       {"GET", "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			service := serveEach(t, func(s *net.TCPConn) {
				defer s.Close()
				s.Read(make([]byte, 1000))
				io.WriteString(s, c.answer)
				io.Copy(io.Discard, s)
			})
			_, address := relayTo(t, service, abortPath("/no"))
			client := connect(t, address)
			send(t, client, c.method+" / HTTP/1.1\r\nHost: x\r\n\r\nGET /no HTTP/1.1\r\nHost: x\r\n\r\n")
			answers := bufio.NewReader(client)
			got := make([]byte, len(c.answer))
			if _, err := io.ReadFull(answers, got); err != nil || string(got) != c.answer {
				t.Fatalf("%v, %q", err, got)
			}
			if w, body := readAnswer(t, answers, "GET"); w.StatusCode != 503 || body != "injected" {
				t.Errorf("got %s %q", w.Status, body)
			}
		})
	}
}
