package http1

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chaosgo/agent/internal/relay"
)

// The end of a relay fails no request, not even of clients that send without a pause.
func TestDrainFailsNoRequest(t *testing.T) {
	service := httpService(t, answerPath)
	r, address := relayTo(t, service, passAll)
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := ask(client, address, i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	until(t, "all are busy", func() bool { return r.Counters.Requests.Load() > 200 || t.Failed() })
	before := r.Counters.Connections.Load()
	r.Drain()
	// From now on every answer is the last one of its connection, so clients have to connect again.
	until(t, "all have moved twice", func() bool { return r.Counters.Connections.Load() > before+16 || t.Failed() })
	stop()
	all.Wait()
	transport.CloseIdleConnections()
	noneLeft(t, r)
}

// ask sends a GET or, for odd i, a POST, which net/http does not repeat on another connection.
func ask(client *http.Client, address string, i int) error {
	var w *http.Response
	var err error
	if i%2 == 0 {
		w, err = client.Get("http://" + address + "/")
	} else {
		w, err = client.Post("http://"+address+"/", "text/plain", strings.NewReader("hello"))
	}
	if err != nil {
		return err
	}
	defer w.Body.Close()
	if _, err = io.Copy(io.Discard, w.Body); err == nil && w.StatusCode != 200 {
		err = fmt.Errorf("got %s", w.Status)
	}
	return err
}

func TestDrainAnnouncesTheEnd(t *testing.T) {
	for name, decide := range map[string]relay.Decider{"passed": passAll, "aborted": abortPath("/2")} {
		t.Run(name, func(t *testing.T) {
			service := httpService(t, answerPath)
			r, address := relayTo(t, service, decide)
			c := connect(t, address)
			answers := bufio.NewReader(c)
			send(t, c, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n")
			if w, _ := readAnswer(t, answers, "GET"); w.Close {
				t.Error("the end is announced before Drain")
			}
			r.Drain()
			send(t, c, "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
			if w, _ := readAnswer(t, answers, "GET"); !w.Close {
				t.Error("the end is not announced")
			}
			if rest, err := io.ReadAll(answers); err != nil || len(rest) > 0 {
				t.Errorf("not an orderly end: %q, %v", rest, err)
			}
			c.Close()
			noneLeft(t, r)
		})
	}
}

// The last answer on its way announces the end, and no earlier one does.
func TestDrainAnswersWholePipelines(t *testing.T) {
	goOn := make(chan bool)
	service := httpService(t, func(w http.ResponseWriter, r *http.Request) {
		<-goOn
		answerPath(w, r)
	})
	r, address := relayTo(t, service, passAll)
	c := connect(t, address)
	const n = 4
	send(t, c, strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", n))
	// The last request may be counted and not be in the pipeline yet. Then the answer before it may be
	// the last one.
	until(t, "all are read", func() bool { return r.Counters.Requests.Load() == n })
	r.Drain()
	close(goOn)
	answers := bufio.NewReader(c)
	for i := range n {
		if w, _ := readAnswer(t, answers, "GET"); w.StatusCode != 200 || w.Close && i < n-2 {
			t.Errorf("answer %d: %s, close %v", i, w.Status, w.Close)
		} else if w.Close {
			break
		}
	}
	c.Close()
	noneLeft(t, r)
}

func TestDrainEndsIdleConnectionsAndNoOthers(t *testing.T) {
	goOn := make(chan bool)
	service := httpService(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-goOn
		}
		answerPath(w, r)
	})
	r, address := relayTo(t, service, passAll)
	fresh, used, busy := connect(t, address), connect(t, address), connect(t, address)
	send(t, used, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	usedAnswers := bufio.NewReader(used)
	readAnswer(t, usedAnswers, "GET")
	send(t, busy, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	until(t, "all are connected", func() bool {
		return r.Counters.Connections.Load() == 3 && r.Counters.Requests.Load() == 2
	})
	r.Drain()
	for name, from := range map[string]io.Reader{"fresh": fresh, "used": usedAnswers} {
		if rest, err := io.ReadAll(from); err != nil || len(rest) > 0 {
			t.Errorf("%s: not an orderly end: %q, %v", name, rest, err)
		}
	}
	fresh.Close()
	used.Close()
	close(goOn)
	if w, body := readAnswer(t, bufio.NewReader(busy), "GET"); body != "/slow" || !w.Close {
		t.Errorf("busy: %q, close %v", body, w.Close)
	}
	busy.Close()
	noneLeft(t, r)
}

func TestDrainLetsAHeldRequestThrough(t *testing.T) {
	service := httpService(t, answerPath)
	decide, held, release := holdPath("/held")
	r, address := relayTo(t, service, decide)
	c := connect(t, address)
	send(t, c, "GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
	within(t, "the hold", held)
	r.Drain()
	close(release)
	if w, body := readAnswer(t, bufio.NewReader(c), "GET"); body != "/held" || !w.Close {
		t.Errorf("got %q, close %v", body, w.Close)
	}
	c.Close()
	noneLeft(t, r)
}

func TestWaitAndCloseAll(t *testing.T) {
	goOn := make(chan bool)
	defer close(goOn)
	service := httpService(t, func(http.ResponseWriter, *http.Request) { <-goOn })
	r, address := relayTo(t, service, passAll)
	if left := r.Wait(time.Hour); left != 0 {
		t.Errorf("%d connections are left of none", left)
	}
	busy, idle := connect(t, address), connect(t, address)
	send(t, busy, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	until(t, "both are connected", func() bool { return r.Counters.Connections.Load() == 2 && r.Counters.Requests.Load() == 1 })
	if left := r.Wait(time.Millisecond); left != 2 {
		t.Errorf("%d connections are left, want 2", left)
	}
	waited := make(chan int)
	go func() { waited <- r.Wait(patience) }()
	r.CloseAll()
	if left := within(t, "Wait", waited); left != 0 {
		t.Errorf("%d connections are left", left)
	}
	for name, c := range map[string]io.Reader{"busy": busy, "idle": idle} {
		if n, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s: read %d bytes", name, n)
		}
	}
}

// Many clients do anything at any time: there is no race, no connection is left, and every answer is
// in its place.
func TestManyConnectionsAtOnce(t *testing.T) {
	service := httpService(t, answerPath)
	var n atomic.Int64
	r, address := relayTo(t, service, func(*relay.Request) relay.Outcome {
		switch n.Add(1) % 3 {
		case 0:
			return relay.Outcome{Abort: unavailable}
		case 1:
			return relay.Outcome{Hold: func(<-chan struct{}) { time.Sleep(time.Microsecond) }}
		}
		return relay.Outcome{}
	})
	var all sync.WaitGroup
	for i := range 40 {
		c := connect(t, address)
		all.Go(func() {
			defer c.Close()
			answers := bufio.NewReader(c)
			for j := range 20 {
				path := fmt.Sprintf("/%d/%d", i, j)
				fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", path)
				w, err := http.ReadResponse(answers, nil)
				if err != nil {
					t.Errorf("%s: %v", path, err)
					return
				}
				body, _ := io.ReadAll(w.Body)
				if string(body) != path && string(body) != "injected" {
					t.Errorf("%s got %q", path, body)
				}
				if i%4 == 0 && j == 10 {
					return // leaves in the middle
				}
			}
		})
	}
	all.Wait()
	noneLeft(t, r)
}
