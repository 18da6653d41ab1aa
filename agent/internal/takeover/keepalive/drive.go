package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// report is what the clients saw. Connections counts those that they have opened.
type report struct {
	Requests    int         `json:"requests"`
	Connections int64       `json:"connections"`
	Statuses    map[int]int `json:"statuses"`
	Failures    []string    `json:"failures"`
	// Faulted has the time of the first answer that was no 200, for each client that got one.
	Faulted []float64 `json:"faulted_unix_s"`
}

var opened atomic.Int64

// drive posts to url/path, for each client one path after the other, until the input ends.
func drive(url string, clients int, paths []string) {
	var stop atomic.Bool
	go func() {
		io.Copy(io.Discard, os.Stdin) //nolint:errcheck // its end is all we want
		stop.Store(true)
	}()
	total := report{Statuses: map[int]int{}, Failures: []string{}, Faulted: []float64{}}
	var mu sync.Mutex
	var running sync.WaitGroup
	for range clients {
		running.Go(func() {
			c := newClient()
			for i := 0; !stop.Load(); i++ {
				c.post(url, paths[i%len(paths)])
			}
			mu.Lock()
			defer mu.Unlock()
			total.add(c.seen)
		})
	}
	running.Wait()
	total.Connections = opened.Load()
	json.NewEncoder(os.Stdout).Encode(total) //nolint:errcheck // nobody reads it, then
}

func (r *report) add(o report) {
	r.Requests += o.Requests
	r.Failures = append(r.Failures, o.Failures...)
	r.Faulted = append(r.Faulted, o.Faulted...)
	for status, n := range o.Statuses {
		r.Statuses[status] += n
	}
}

// client is a Go client with one connection at a time.
type client struct {
	http *http.Client
	seen report
}

func newClient() *client {
	transport := &http.Transport{MaxConnsPerHost: 1, DisableCompression: rand.IntN(2) == 0}
	transport.DialContext = dial
	return &client{http: &http.Client{Transport: transport, Timeout: 10 * time.Second}, seen: report{Statuses: map[int]int{}}}
}

// post sends a body that is random or looks like requests, and checks the answer.
func (c *client) post(url, path string) {
	body := make([]byte, 16+rand.IntN(3000))
	for i := range body {
		body[i] = byte(rand.Uint32())
	}
	if rand.IntN(4) == 0 {
		body = bytes.Repeat([]byte(fake), 1+rand.IntN(300))
	}
	var reader io.Reader = bytes.NewReader(body)
	if rand.IntN(4) == 0 {
		reader = io.MultiReader(reader) // unknown length, so net/http sends chunks
	}
	c.seen.Requests++
	r, err := http.NewRequest(http.MethodPost, url+path, reader)
	if err != nil {
		panic(err)
	}
	r.Header.Set("User-Agent", "keepalive")
	w, err := c.http.Do(r)
	if err != nil {
		c.seen.Failures = append(c.seen.Failures, err.Error())
		return
	}
	defer w.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(w.Body)
	c.seen.Statuses[w.StatusCode]++
	if w.StatusCode != http.StatusOK && c.seen.Faulted == nil {
		c.seen.Faulted = []float64{float64(time.Now().UnixMicro()) / 1e6}
	}
	want := fmt.Sprintf("%x", sha256.Sum256(body))
	if err != nil || w.StatusCode == http.StatusOK && !strings.Contains(string(text), want) {
		c.seen.Failures = append(c.seen.Failures, fmt.Sprintf("%d %v %.80q instead of %s", w.StatusCode, err, text, want))
	}
}

// fake is a body that looks like requests; the agent must not change it.
const fake = "GET /hash HTTP/1.1\r\nHost: x\r\nUser-Agent: a-fake-request\r\nAccept-Encoding: gzip, deflate\r\n\r\n"

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	opened.Add(1)
	return (&net.Dialer{}).DialContext(ctx, network, address)
}
