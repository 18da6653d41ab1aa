package http1

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"chaosgo/agent/internal/relay"
)

// ways are the ways to a service: `go test -bench . -run '^$'` compares them.
var ways = []struct {
	name  string
	build func(b *testing.B, service string) (address string)
}{
	{"direct", func(_ *testing.B, service string) string { return service }},
	{"copy", func(b *testing.B, service string) string { return forEach(b, service, copyBoth) }},
	{"http1", func(b *testing.B, service string) string {
		r := &Relay{Decide: passAll, Counters: &relay.Counters{}}
		return forEach(b, service, r.Serve)
	}},
	{"reverseproxy", func(b *testing.B, service string) string {
		target := &url.URL{Scheme: "http", Host: service}
		proxy := &httputil.ReverseProxy{
			Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
			Transport: &http.Transport{MaxIdleConnsPerHost: 1000},
		}
		return httpService(b, proxy.ServeHTTP)
	}},
}

func BenchmarkRequests(b *testing.B) {
	service := httpService(b, answerPath)
	for _, way := range ways {
		b.Run(way.name, func(b *testing.B) {
			b.SetParallelism(8)
			requests(b, way.build(b, service), "GET /a HTTP/1.1\r\nHost: x\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
		})
	}
}

func BenchmarkAbort(b *testing.B) {
	r := &Relay{Decide: abortPath("/a"), Counters: &relay.Counters{}}
	address := forEach(b, httpService(b, answerPath), r.Serve)
	b.SetParallelism(8)
	requests(b, address, "GET /a HTTP/1.1\r\nHost: x\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
}

func BenchmarkBody(b *testing.B) {
	const size = 64 << 20
	body := make([]byte, 1<<20)
	service := httpService(b, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "67108864")
		for range size / len(body) {
			w.Write(body)
		}
	})
	for _, way := range ways {
		b.Run(way.name, func(b *testing.B) {
			b.SetBytes(size)
			requests(b, way.build(b, service), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		})
	}
}

// requests sends the same request again and again on connections that are kept alive.
func requests(b *testing.B, address, request string) {
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp", address)
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		answers := bufio.NewReaderSize(c, 64<<10)
		for pb.Next() {
			if _, err := io.WriteString(c, request); err != nil {
				b.Error(err)
				return
			}
			w, err := http.ReadResponse(answers, nil)
			if err == nil {
				_, err = io.Copy(io.Discard, w.Body)
			}
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

// forEach relays each connection to one of its own to the service.
func forEach(b *testing.B, service string, relay func(client, upstream *net.TCPConn)) (address string) {
	return serveEach(b, func(client *net.TCPConn) {
		client.SetDeadline(time.Time{})
		upstream, err := net.Dial("tcp", service)
		if err != nil {
			client.Close()
			return
		}
		relay(client, upstream.(*net.TCPConn))
	})
}

// copyBoth is the plainest relay that there is.
func copyBoth(client, upstream *net.TCPConn) {
	done := make(chan bool)
	go func() {
		io.Copy(client, upstream)
		client.CloseWrite()
		close(done)
	}()
	io.Copy(upstream, client)
	upstream.CloseWrite()
	<-done
	client.Close()
	upstream.Close()
}
