package http1

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chaosgo/agent/internal/relay"
)

// heap returns the bytes in use after a garbage collection, those of all connections of this process.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// stalls waits until a counter has not changed for half a second, and returns its value.
func stalls(t testing.TB, counter *atomic.Int64) int64 {
	t.Helper()
	last, since := counter.Load(), time.Now()
	until(t, "nothing moves any more", func() bool {
		if now := counter.Load(); now != last || now == 0 {
			last, since = now, time.Now()
		}
		return time.Since(since) > 500*time.Millisecond
	})
	return last
}

// pour writes n bytes in small portions, and counts those that were accepted.
func pour(c net.Conn, n int64, taken *atomic.Int64) {
	portion := make([]byte, 64<<10)
	for n > 0 {
		written, err := c.Write(portion[:min(n, int64(len(portion)))])
		taken.Add(int64(written))
		if err != nil {
			return
		}
		n -= int64(written)
	}
}

func mib(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

// bounded checks how much memory was allocated since before.
func bounded(t testing.TB, before, most int64) {
	t.Helper()
	grown := heap() - before
	t.Logf("memory grew by %s", mib(grown))
	if grown > most {
		t.Errorf("memory grew by %s, at most %s are allowed", mib(grown), mib(most))
	}
}

func TestAClientThatReadsNothingFillsNoMemory(t *testing.T) {
	const size = 200 << 20
	for name, framing := range map[string]string{"length": fmt.Sprintf("Content-Length: %d\r\n\r\n", size), "until close": "\r\n"} {
		t.Run(name, func(t *testing.T) {
			var taken atomic.Int64
			service := serveEach(t, func(c *net.TCPConn) {
				defer c.Close()
				c.Read(make([]byte, 1000))
				io.WriteString(c, "HTTP/1.1 200 OK\r\n"+framing)
				pour(c, size, &taken)
			})
			r, address := relayTo(t, service, passAll)
			before := heap()
			c := connect(t, address)
			send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if n := stalls(t, &taken); n >= size {
				t.Errorf("all of the answer is buffered somewhere")
			} else {
				t.Logf("%s of %s are under way", mib(n), mib(size))
			}
			bounded(t, before, 4<<20)
			c.Close()
			noneLeft(t, r)
		})
	}
}

func TestAServiceThatReadsNothingFillsNoMemory(t *testing.T) {
	const size = 1 << 30
	release := make(chan bool)
	service := serveEach(t, func(c *net.TCPConn) {
		defer c.Close()
		<-release
	})
	r, address := relayTo(t, service, passAll)
	before := heap()
	c := connect(t, address)
	send(t, c, fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size))
	var taken atomic.Int64
	go pour(c, size, &taken)
	n := stalls(t, &taken)
	t.Logf("%s of %s are under way", mib(n), mib(size))
	if n >= size {
		t.Errorf("all of the request is buffered somewhere")
	}
	bounded(t, before, 4<<20)
	close(release)
	c.Close()
	noneLeft(t, r)
}

// A client sends 100,000 requests at once and reads no answer.
func TestPipeliningIsBounded(t *testing.T) {
	stop := make(chan bool)
	silent := serveEach(t, func(c *net.TCPConn) {
		defer c.Close()
		go io.Copy(io.Discard, c)
		<-stop
	})
	answering := httpService(t, answerPath)
	for _, c := range []struct {
		name, service string
		decide        relay.Decider
		most          uint64 // bound of the requests that are read; 0 for those whose answers the socket buffers hold
	}{
		{"the service answers", answering, passAll, 0},
		{"answered by us", silent, abortPath("/"), 0},
		{"the service is silent", silent, passAll, maxPipelined + 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, address := relayTo(t, c.service, c.decide)
			before := heap()
			client := connect(t, address)
			var taken atomic.Int64
			go func() {
				requests := strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1000)
				for range 100 {
					n, err := io.WriteString(client, requests)
					taken.Add(int64(n))
					if err != nil {
						return
					}
				}
			}()
			stalls(t, &taken)
			read := r.Counters.Requests.Load()
			t.Logf("%d requests are read", read)
			if c.most > 0 && read > c.most {
				t.Errorf("%d requests are read, at most %d are allowed", read, c.most)
			}
			bounded(t, before, 8<<20)
			client.Close()
			if c.most > 0 {
				close(stop) // the end of the client is behind bytes that nobody reads
			}
			noneLeft(t, r)
		})
	}
}

// 1,000 clients send their heads a byte at a time, as long as they can. Other clients are served
// meanwhile, and the end of the fault does not wait for them.
func TestSlowHeadsHoldNobodyUp(t *testing.T) {
	const clients = 1000
	r, address := relayTo(t, httpService(t, answerPath), passAll)
	before := heap()
	over := make(chan bool)
	defer close(over)
	for range clients {
		c := connect(t, address)
		send(t, c, "GET / HTTP/1.1\r\nX: ")
		go func() {
			for every := time.NewTicker(time.Second); ; {
				select {
				case <-over:
					return
				case <-every.C:
					c.Write([]byte("a"))
				}
			}
		}()
	}
	until(t, "all are connected", func() bool { return r.Counters.Connections.Load() == clients })
	for range 20 {
		started := time.Now()
		w, err := http.Get("http://" + address + "/ok")
		if err != nil {
			t.Fatal(err)
		}
		w.Body.Close()
		if took := time.Since(started); took > 2*time.Second {
			t.Errorf("a request took %v", took)
		}
	}
	// Clients, service and goroutines of this test count too.
	bounded(t, before, 48<<20)
	r.Drain()
	r.Wait(time.Second)
	r.CloseAll()
	noneLeft(t, r)
}

func TestConnectionsOverTheLimitPassUnread(t *testing.T) {
	r := &Relay{Decide: abortPath("/no"), Counters: &relay.Counters{}, MaxConnections: 2}
	address := inFront(t, r, httpService(t, answerPath))
	get := func(c *net.TCPConn) string {
		send(t, c, "GET /no HTTP/1.1\r\nHost: x\r\n\r\n")
		b := make([]byte, 1000)
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[9:min(n, 12)])
	}
	first, second, third := connect(t, address), connect(t, address), (*net.TCPConn)(nil)
	if a, b := get(first), get(second); a != "503" || b != "503" {
		t.Errorf("within the limit: %s and %s", a, b)
	}
	third = connect(t, address)
	for range 2 {
		if a := get(third); a != "200" {
			t.Errorf("over the limit: %s", a)
		}
	}
	if kinds, sum := r.Counters.Passthrough.Load(); sum != 1 || kinds["over_limit"] != 1 {
		t.Errorf("counted %v", kinds)
	}
	first.Close()
	until(t, "one has gone", func() bool { return len(r.connections()) == 2 })
	third.Close()
	until(t, "two have gone", func() bool { return len(r.connections()) == 1 })
	if a := get(connect(t, address)); a != "503" {
		t.Errorf("within the limit again: %s", a)
	}
}
