package http1

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
)

func TestAResetByTheServiceReachesTheClient(t *testing.T) {
	for name, before := range map[string]string{
		"before the answer": "", "inside it": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab",
	} {
		t.Run(name, func(t *testing.T) {
			goOn := make(chan bool)
			service := serveEach(t, func(c *net.TCPConn) {
				c.Read(make([]byte, 1000))
				io.WriteString(c, before)
				<-goOn
				reset(c)
			})
			r, address := relayTo(t, service, passAll)
			c := connect(t, address)
			send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if _, err := io.ReadFull(c, make([]byte, len(before))); err != nil {
				t.Fatal(err)
			}
			close(goOn)
			if n, err := c.Read(make([]byte, 1)); err == nil || err == io.EOF {
				t.Errorf("read %d bytes, %v instead of a reset", n, err)
			}
			noneLeft(t, r)
		})
	}
}

func TestAClientThatLeavesInsideAnAnswerStopsTheService(t *testing.T) {
	stopped := make(chan bool, 1)
	service := httpService(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			io.WriteString(w, big)
		}
		stopped <- true
	})
	r, address := relayTo(t, service, passAll)
	c := connect(t, address)
	send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := io.ReadFull(c, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	within(t, "the end of the handler", stopped)
	noneLeft(t, r)
}

func TestAnAnswerMayComeBeforeItsRequestHasEnded(t *testing.T) {
	service := httpService(t, func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		c.EnableFullDuplex()
		io.WriteString(w, "early ")
		c.Flush()
		io.Copy(w, r.Body)
	})
	_, address := relayTo(t, service, passAll)
	c := connect(t, address)
	send(t, c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
	w, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	early := make([]byte, len("early "))
	if _, err := io.ReadFull(w.Body, early); err != nil {
		t.Fatal(err)
	}
	send(t, c, "late")
	if rest, err := io.ReadAll(w.Body); err != nil || string(rest) != "late" {
		t.Errorf("got %q, %v", rest, err)
	}
}

func TestEventsAreNotHeldBack(t *testing.T) {
	next := make(chan bool)
	service := httpService(t, func(w http.ResponseWriter, _ *http.Request) {
		for range next {
			io.WriteString(w, "data: x\n\n")
			http.NewResponseController(w).Flush()
		}
	})
	_, address := relayTo(t, service, passAll)
	c := connect(t, address)
	send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	next <- true
	w, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	events := bufio.NewReader(w.Body)
	for i := range 3 {
		if line, err := events.ReadString('\n'); err != nil || line != "data: x\n" {
			t.Fatalf("event %d: %q, %v", i, line, err)
		}
		events.ReadString('\n')
		next <- true
	}
	close(next)
}

// A service may end its answers and go on reading: then the upload goes on.
func TestAnUploadGoesOnBehindTheEndOfTheAnswers(t *testing.T) {
	received := make(chan int, 1)
	service := serveEach(t, func(c *net.TCPConn) {
		defer c.Close()
		c.Read(make([]byte, 4))
		io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbye")
		c.CloseWrite()
		n, _ := io.Copy(io.Discard, c)
		received <- int(n) + 4
	})
	_, address := relayTo(t, service, passAll)
	c := connect(t, address)
	head := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 320000\r\n\r\n"
	send(t, c, head)
	if got, err := io.ReadAll(c); err != nil || len(got) == 0 {
		t.Fatalf("%q, %v", got, err)
	}
	send(t, c, big)
	c.CloseWrite()
	if n := within(t, "the upload", received); n != len(head)+len(big) {
		t.Errorf("the service got %d bytes", n)
	}
}
