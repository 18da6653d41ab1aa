package http1

import (
	"bufio"
	"io"
	"net"
	"testing"
	"time"

	"chaosgo/agent/internal/relay"
)

// leaving is a service that answers one request and closes, without announcing that.
func leaving(t *testing.T) (address string) {
	return serveEach(t, func(c *net.TCPConn) {
		defer c.Close()
		c.Read(make([]byte, 1000))
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	})
}

// drip sends one byte after the other until the connection has ended.
func drip(c net.Conn) {
	for {
		if _, err := c.Write([]byte("a")); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// After the service has closed, its client is closed after halfOpen, whatever it sends.
func TestAHalfOpenClientIsLetGo(t *testing.T) {
	const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	silent := func(net.Conn) {}
	for name, client := range map[string]struct {
		first string
		after func(net.Conn)
	}{
		"says nothing":                      {get, silent},
		"has sent half a head before":       {get + "GET / HTT", silent},
		"is sending a head slowly":          {get + "GET / HTTP/1.1\r\nX: ", drip},
		"sends half a head afterwards":      {get, func(c net.Conn) { io.WriteString(c, "GET / HTT") }},
		"begins to send slowly, and a body": {get + "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n", drip},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &Relay{Decide: passAll, Counters: &relay.Counters{}, halfOpen: 200 * time.Millisecond}
			c := connect(t, inFront(t, r, leaving(t)))
			send(t, c, client.first)
			answers := bufio.NewReader(c)
			readAnswer(t, answers, "GET")
			if _, err := answers.ReadByte(); err != io.EOF {
				t.Fatalf("the end of the service came as %v", err)
			}
			go client.after(c)
			noneLeft(t, r)
		})
	}
}

// Half-open clients count as connections, so MaxConnections bounds their number.
func TestHalfOpenClientsTakeRoomAndGiveItBack(t *testing.T) {
	const most = 2
	r := &Relay{Decide: passAll, Counters: &relay.Counters{}, MaxConnections: most, halfOpen: time.Second}
	address := inFront(t, r, leaving(t))
	ask := func() {
		c := connect(t, address)
		send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		readAnswer(t, bufio.NewReader(c), "GET")
	}
	unread := func() uint64 { return r.Counters.Passthrough[relay.PassOverLimit].Load() }
	for range most {
		ask() // and leaves its connection open
	}
	if n := unread(); n != 0 {
		t.Fatalf("%d are over the limit already", n)
	}
	ask()
	if n := unread(); n != 1 {
		t.Errorf("%d over the limit while %d are half-open", n, most)
	}
	until(t, "the half-open ones are gone", func() bool { return len(r.connections()) <= 1 })
	ask()
	if n := unread(); n != 1 {
		t.Errorf("%d over the limit after the half-open ones are gone", n)
	}
}
