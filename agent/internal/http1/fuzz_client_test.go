package http1

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
)

// script is the answer to the next connection, whatever it asks.
type script struct {
	answer []byte
	seed   uint64
}

// scriptedService reads one request, sends the answer of the script, and closes.
func scriptedService(t testing.TB) (address string, scripts chan<- script) {
	t.Helper()
	waiting := make(chan script, 1)
	return serveEach(t, func(c *net.TCPConn) {
		defer c.Close()
		in := bufio.NewReader(c)
		if r, err := http.ReadRequest(in); err == nil {
			io.Copy(io.Discard, r.Body)
		}
		s := <-waiting
		inCuts(c, s.answer, s.seed)
		c.CloseWrite()
		io.Copy(io.Discard, in)
	}), waiting
}

// roundTrip sends one request with the client of net/http, and returns everything that a caller can
// see of the answer.
func roundTrip(method, address string) string {
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	var interim strings.Builder
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			fmt.Fprintln(&interim, code, header)
			return nil
		},
	})
	var body io.Reader
	if method == "POST" {
		body = strings.NewReader("a body")
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+address+"/", body)
	if err != nil {
		return err.Error()
	}
	w, err := transport.RoundTrip(r)
	if err != nil {
		return interim.String() + strings.ReplaceAll(err.Error(), address, "ADDRESS")
	}
	defer w.Body.Close()
	read, err := io.ReadAll(w.Body)
	return fmt.Sprintf("%s%s %s %v length=%d %v body=%q (%v) trailers=%v close=%v",
		&interim, w.Proto, w.Status, w.Header, w.ContentLength, w.TransferEncoding, read, err, w.Trailer, w.Close)
}

// Whatever a service answers, the client of net/http reads the same with the relay and without it.
func FuzzBothWays(f *testing.F) {
	log.SetOutput(io.Discard) // the client logs every odd answer
	service, scripts := scriptedService(f)
	r, relayed := relayTo(f, service, passAll)
	methods := []string{"GET", "HEAD", "POST"}
	f.Fuzz(func(t *testing.T, answer []byte, method uint8, seed uint64) {
		name := methods[int(method)%len(methods)]
		scripts <- script{bytes.Clone(answer), 13}
		direct := roundTrip(name, service)
		scripts <- script{bytes.Clone(answer), seed}
		through := roundTrip(name, relayed)
		if left := r.Wait(patience); left > 0 {
			t.Fatalf("%s, %q: %d connections are left", name, answer, left)
		}
		if direct != through {
			t.Errorf("%s, %q is to the client\n%s, relayed\n%s", name, answer, direct, through)
		}
	})
}
