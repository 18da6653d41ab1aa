package http1

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"testing"

	"chaosgo/agent/internal/relay"
)

// holdPath holds requests for a path until release is closed, and says when it begins. It goes on when
// the client leaves.
func holdPath(path string) (decide relay.Decider, held, release chan bool) {
	held, release = make(chan bool, 1), make(chan bool)
	return func(r *relay.Request) relay.Outcome {
		if r.Path() != path {
			return relay.Outcome{}
		}
		return relay.Outcome{Hold: func(<-chan struct{}) {
			held <- true
			<-release
		}}
	}, held, release
}

func TestDelayHoldsTheRequestAndNothingElse(t *testing.T) {
	goOn := make(chan bool)
	served := make(chan string, 2)
	service := httpService(t, func(w http.ResponseWriter, r *http.Request) {
		served <- r.URL.Path
		if r.URL.Path == "/1" {
			<-goOn
		}
		answerPath(w, r)
	})
	decide, held, release := holdPath("/2")
	_, address := relayTo(t, service, decide)
	c := connect(t, address)
	send(t, c, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbo")
	within(t, "the hold", held)
	send(t, c, "dy") // arrives while the request is held
	close(goOn)
	answers := bufio.NewReader(c)
	if _, body := readAnswer(t, answers, "GET"); body != "/1" || len(served) != 1 {
		t.Errorf("got %q; the service saw %d requests", body, len(served))
	}
	close(release)
	if _, body := readAnswer(t, answers, "POST"); body != "/2" {
		t.Errorf("got %q", body)
	}
}

// leave has the ways in which a client leaves: with a FIN or with a reset.
var leave = map[string]func(*net.TCPConn){"close": func(c *net.TCPConn) { c.Close() }, "reset": reset}

func TestAClientThatLeavesCancelsItsRequest(t *testing.T) {
	for kind, request := range map[string]string{
		"plain":                      "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"upgrade":                    "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
		"while the next one is held": "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /held HTTP/1.1\r\nHost: x\r\n\r\n",
		"while the last abort waits": "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /no HTTP/1.0\r\n\r\n",
	} {
		for how, goAway := range leave {
			t.Run(kind+"/"+how, func(t *testing.T) {
				t.Parallel()
				cancelled := make(chan bool, 1)
				begun := make(chan bool, 1)
				service := httpService(t, func(_ http.ResponseWriter, r *http.Request) {
					begun <- true
					<-r.Context().Done()
					cancelled <- true
				})
				hold, held, release := holdPath("/held")
				r, address := relayTo(t, service, func(q *relay.Request) relay.Outcome {
					if q.Path() == "/no" {
						return relay.Outcome{Abort: unavailable}
					}
					return hold(q)
				})
				c := connect(t, address)
				send(t, c, request)
				within(t, "the service", begun)
				if strings.Contains(request, "/held") {
					within(t, "the hold", held)
				}
				goAway(c)
				within(t, "the end of r.Context()", cancelled)
				close(release)
				noneLeft(t, r)
			})
		}
	}
}

func TestARequestWhoseClientLeftWhileItWasHeldNeverReachesTheService(t *testing.T) {
	for how, goAway := range leave {
		t.Run(how, func(t *testing.T) {
			got := make(chan error, 1)
			service := serveEach(t, func(c *net.TCPConn) {
				defer c.Close()
				_, err := c.Read(make([]byte, 1))
				got <- err
			})
			decide, held, release := holdPath("/held")
			r, address := relayTo(t, service, decide)
			c := connect(t, address)
			send(t, c, "POST /held HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab")
			within(t, "the hold", held)
			goAway(c)
			if err := within(t, "the service's end", got); err == nil {
				t.Error("the service got the request")
			}
			close(release)
			noneLeft(t, r)
		})
	}
}

// A hold that listens to its channel ends when its client leaves.
func TestAHoldIsToldThatItsClientHasLeft(t *testing.T) {
	for how, goAway := range leave {
		t.Run(how, func(t *testing.T) {
			held := make(chan bool, 1)
			r, address := relayTo(t, httpService(t, answerPath), func(*relay.Request) relay.Outcome {
				return relay.Outcome{Hold: func(gone <-chan struct{}) {
					held <- true
					<-gone
				}}
			})
			c := connect(t, address)
			send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			within(t, "the hold", held)
			goAway(c)
			noneLeft(t, r)
		})
	}
}
