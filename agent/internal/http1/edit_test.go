package http1

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"chaosgo/agent/internal/relay"
)

// editing returns a decider that edits the answers for a path, and how many answers were changed.
func editing(path string, headers map[string]string, body []byte) (relay.Decider, *atomic.Int64) {
	changed := new(atomic.Int64)
	edit := relay.NewEdit(headers, body, nil, func() { changed.Add(1) })
	return func(r *relay.Request) relay.Outcome {
		if r.Path() == path {
			return relay.Outcome{Edits: []*relay.Edit{edit}}
		}
		return relay.Outcome{}
	}, changed
}

// answering is a service that answers every request in the same way and keeps its connections open.
func answering(t *testing.T, answer string) (address string) {
	return serveEach(t, func(c *net.TCPConn) {
		defer c.Close()
		for requests := bufio.NewReader(c); ; {
			r, err := http.ReadRequest(requests)
			if err != nil {
				return
			}
			io.Copy(io.Discard, r.Body)
			io.WriteString(c, answer)
		}
	})
}

// Of an answer whose headers are set, every other byte stays.
func TestHeadersAreSet(t *testing.T) {
	set := map[string]string{"X-New": "n", "server": "ours"}
	const added = "server: ours\r\nX-New: n\r\n\r\n"
	for _, c := range []struct{ name, answer, want string }{
		{"length", "HTTP/1.1 200 Fine\r\nServer: a\r\nX-B:  b \r\nSERVER: c\r\nContent-Length: 2\r\n\r\nok",
			"HTTP/1.1 200 Fine\r\nX-B:  b \r\nContent-Length: 2\r\n" + added + "ok"},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n2;x\r\nok\r\n0\r\nT: v\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n" + added + "2;x\r\nok\r\n0\r\nT: v\r\n\r\n"},
		{"204", "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content\r\n" + added},
		{"304", "HTTP/1.1 304 Not Modified\r\nETag: e\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nETag: e\r\n" + added},
		{"interim", "HTTP/1.1 103 Early Hints\r\nServer: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 103 Early Hints\r\nServer: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + added},
		{"big", "HTTP/1.1 200 OK\r\nContent-Length: 320000\r\n\r\n" + big,
			"HTTP/1.1 200 OK\r\nContent-Length: 320000\r\n" + added + big},
	} {
		t.Run(c.name, func(t *testing.T) {
			decide, changed := editing("/edit", set, nil)
			r, address := relayTo(t, answering(t, c.answer), decide)
			client := connect(t, address)
			for path, want := range map[string]string{"/edit": c.want, "/other": c.answer} {
				send(t, client, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
				got := make([]byte, len(want))
				if _, err := io.ReadFull(client, got); err != nil || string(got) != want {
					t.Fatalf("%s: %v\n%.400q, want\n%.400q", path, err, got, want)
				}
			}
			client.Close()
			noneLeft(t, r)
			if changed.Load() != 1 {
				t.Errorf("%d answers were changed", changed.Load())
			}
		})
	}
}

func TestBodiesAreReplaced(t *testing.T) {
	const ours = "HTTP/1.1 200 OK\r\nX-A: a\r\nCache-Control: no-store\r\nContent-Length: 4\r\n\r\nours"
	for _, c := range []struct {
		name, method, answer, want string
		closes                     bool
	}{
		{"length", "GET", "HTTP/1.1 200 OK\r\nX-A: a\r\nContent-Length: 2\r\n\r\nok", ours, false},
		{"nothing", "GET", "HTTP/1.1 200 OK\r\nX-A: a\r\nContent-Length: 0\r\n\r\n", ours, false},
		{"chunks", "GET", "HTTP/1.1 200 OK\r\nX-A: a\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n2\r\nok\r\n0\r\nT: v\r\n\r\n", ours, false},
		{"what is about the old body", "GET", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nETag: \"e\"\r\nCache-Control: max-age=9\r\n" +
			"Last-Modified: x\r\nX-A: a\r\nContent-Length: 2\r\n\r\nok", ours, false},
		{"beyond every buffer", "GET", "HTTP/1.1 200 OK\r\nX-A: a\r\nContent-Length: 200000\r\n\r\n" + big[:200_000], ours, false},
		{"HEAD", "HEAD", "HTTP/1.1 200 OK\r\nX-A: a\r\nContent-Length: 9\r\n\r\n", strings.TrimSuffix(ours, "ours"), false},
		{"too long", "GET", "HTTP/1.1 200 OK\r\nX-A: a\r\nContent-Length: 320000\r\n\r\n" + big,
			strings.Replace(ours, "OK\r\n", "OK\r\nConnection: close\r\n", 1), true},
		{"until close", "GET", "HTTP/1.1 200 OK\r\nX-A: a\r\n\r\nand so on",
			strings.Replace(ours, "OK\r\n", "OK\r\nConnection: close\r\n", 1), true},
		{"never ends", "GET", "HTTP/1.1 200 OK\r\nX-A: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
			strings.Replace(ours, "OK\r\n", "OK\r\nConnection: close\r\n", 1), true},
		{"bad chunks", "GET", "HTTP/1.1 200 OK\r\nX-A: a\r\nTransfer-Encoding: chunked\r\n\r\nzz",
			strings.Replace(ours, "OK\r\n", "OK\r\nConnection: close\r\n", 1), true},
		{"closes itself", "GET", "HTTP/1.1 200 OK\r\nX-A: a\r\nConnection: close\r\n\r\nold",
			strings.Replace(ours, "X-A: a\r\n", "X-A: a\r\nConnection: close\r\n", 1), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			decide, changed := editing("/edit", nil, []byte("ours"))
			r, address := relayTo(t, answering(t, c.answer), decide)
			client := connect(t, address)
			send(t, client, c.method+" /edit HTTP/1.1\r\nHost: x\r\n\r\n")
			got := make([]byte, len(c.want))
			if _, err := io.ReadFull(client, got); err != nil || string(got) != c.want {
				t.Fatalf("%v\n%q, want\n%q", err, got, c.want)
			}
			if c.closes {
				if rest, err := io.ReadAll(client); err != nil || len(rest) > 0 {
					t.Errorf("behind the last answer: %q, %v", rest, err)
				}
			} else {
				send(t, client, c.method+" /other HTTP/1.1\r\nHost: x\r\n\r\n")
				next := make([]byte, len(c.answer))
				if _, err := io.ReadFull(client, next); err != nil || string(next) != c.answer {
					t.Errorf("the next answer: %v, %.300q", err, next)
				}
			}
			client.Close()
			noneLeft(t, r)
			if changed.Load() != 1 {
				t.Errorf("%d answers were changed", changed.Load())
			}
		})
	}
}

// An answer that cannot have our body is neither changed nor counted.
func TestBodiesThatCannotBeReplacedPassUnchanged(t *testing.T) {
	for name, answer := range map[string]string{
		"204":      "HTTP/1.1 204 No Content\r\nETag: e\r\n\r\n",
		"304":      "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
		"206":      "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\nab",
		"switched": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n\x00",
	} {
		t.Run(name, func(t *testing.T) {
			decide, changed := editing("/", nil, []byte("ours"))
			_, address := relayTo(t, answering(t, answer), decide)
			c := connect(t, address)
			send(t, c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
			got := make([]byte, len(answer))
			if _, err := io.ReadFull(c, got); err != nil || string(got) != answer {
				t.Errorf("%v, %q", err, got)
			}
			if changed.Load() != 0 {
				t.Errorf("%d answers were changed", changed.Load())
			}
		})
	}
}

func TestEditsApplyInTheirOrder(t *testing.T) {
	var told []int
	edit := func(n int, headers map[string]string, body []byte) *relay.Edit {
		return relay.NewEdit(headers, body, nil, func() { told = append(told, n) })
	}
	raw := []byte("HTTP/1.1 200 OK\r\nA: 0\r\nContent-Length: 1\r\n\r\nx")
	h, ok := parseAnswer(raw[:len(raw)-1])
	if !ok {
		t.Fatal("not understood")
	}
	r := rewrite([]*relay.Edit{
		edit(1, map[string]string{"a": "1", "B": "1"}, []byte("one")),
		edit(2, map[string]string{"A": "2", "Cache-Control": "public"}, nil),
		edit(3, nil, []byte{}),
	}, raw[:len(raw)-1], &h, false)
	r.tell()
	const want = "HTTP/1.1 200 OK\r\nA: 2\r\nB: 1\r\nCache-Control: public\r\nContent-Length: 0\r\n\r\n"
	if string(r.head) != want || !r.replace || len(r.body) != 0 || fmt.Sprint(told) != "[1 2 3]" {
		t.Errorf("%q, body %q %v, told %v", r.head, r.body, r.replace, told)
	}
}

// Answers of ours keep their place between edited ones.
func TestEditsInAPipeline(t *testing.T) {
	decide, changed := editing("/edit", map[string]string{"X-E": "1"}, []byte("ours"))
	r, address := relayTo(t, httpService(t, answerPath), func(q *relay.Request) relay.Outcome {
		if q.Path() == "/no" {
			return relay.Outcome{Abort: unavailable}
		}
		return decide(q)
	})
	c := connect(t, address)
	paths := []string{"/edit", "/no", "/1", "/edit", "/edit", "/no", "/2"}
	var pipeline strings.Builder
	for _, path := range paths {
		fmt.Fprintf(&pipeline, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab", path)
	}
	go inFragments(c, pipeline.String())
	answers := bufio.NewReader(c)
	for i, path := range paths {
		want := map[string]string{"/edit": "ours", "/no": "injected"}[path]
		if want == "" {
			want = path
		}
		if w, body := readAnswer(t, answers, "POST"); body != want || (w.Header.Get("X-E") == "1") != (path == "/edit") {
			t.Errorf("answer %d to %s: %s %q", i, path, w.Status, body)
		}
	}
	if changed.Load() != 3 {
		t.Errorf("%d answers were changed", changed.Load())
	}
	c.Close()
	noneLeft(t, r)
}

func TestDrainAnnouncesTheEndInEditedAnswers(t *testing.T) {
	for name, body := range map[string][]byte{"headers": nil, "body": []byte("ours")} {
		t.Run(name, func(t *testing.T) {
			decide, _ := editing("/edit", map[string]string{"X-E": "1"}, body)
			begun, goOn := make(chan bool, 1), make(chan bool)
			r, address := relayTo(t, httpService(t, func(w http.ResponseWriter, q *http.Request) {
				begun <- true
				<-goOn
				answerPath(w, q)
			}), decide)
			c := connect(t, address)
			send(t, c, "GET /edit HTTP/1.1\r\nHost: x\r\n\r\n")
			within(t, "the service", begun)
			r.Drain()
			close(goOn)
			answers := bufio.NewReader(c)
			if w, _ := readAnswer(t, answers, "GET"); !w.Close || w.Header.Get("X-E") != "1" {
				t.Errorf("close %v, %v", w.Close, w.Header)
			}
			if rest, err := io.ReadAll(answers); err != nil || len(rest) > 0 {
				t.Errorf("not an orderly end: %q, %v", rest, err)
			}
			c.Close()
			noneLeft(t, r)
		})
	}
}

// A service that streams for ever is told when nobody reads its answer any more.
func TestAStreamThatIsReplacedIsStopped(t *testing.T) {
	stopped := make(chan bool, 1)
	service := httpService(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			io.WriteString(w, big)
		}
		stopped <- true
	})
	decide, _ := editing("/", nil, []byte("ours"))
	r, address := relayTo(t, service, decide)
	c := connect(t, address)
	send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if w, body := readAnswer(t, bufio.NewReader(c), "GET"); body != "ours" || !w.Close {
		t.Errorf("%q, close %v", body, w.Close)
	}
	within(t, "the end of the handler", stopped)
	noneLeft(t, r)
}

// BytesOut counts what clients get, not what the service has sent.
func TestBytesOutAreThoseOfTheClient(t *testing.T) {
	for name, body := range map[string][]byte{"another body": []byte("ours"), "no body": {}} {
		t.Run(name, func(t *testing.T) {
			decide, _ := editing("/", nil, body)
			r, address := relayTo(t, answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\nabcdefghijklmnopqrstuvwxyz"), decide)
			got := converse(t, address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", atOnce)
			if !strings.HasSuffix(got, "\r\n\r\n"+string(body)) {
				t.Errorf("got %q", got)
			}
			noneLeft(t, r)
			if n := r.Counters.BytesOut.Load(); n != uint64(len(got)) {
				t.Errorf("counted %d of %d bytes", n, len(got))
			}
		})
	}
}
