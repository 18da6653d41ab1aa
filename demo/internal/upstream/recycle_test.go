package upstream

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chaosgo/demo/internal/pipenet"
)

// connections counts the connections of a server that were opened and closed.
type connections struct{ opened, closed atomic.Int64 }

func (c *connections) watch(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		c.opened.Add(1)
	case http.StateClosed:
		c.closed.Add(1)
	default:
	}
}

func get(client *http.Client, url string) error {
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && string(body) != "whole answer" {
		err = fmt.Errorf("got %q", body)
	}
	return err
}

// slowly answers at once; at /slow it sends half of the answer at once and the other half 5 s later.
func slowly(w http.ResponseWriter, r *http.Request) {
	fmt.Fprint(w, "whole ")
	if r.URL.Path == "/slow" {
		_ = http.NewResponseController(w).Flush()
		time.Sleep(5 * time.Second)
	}
	fmt.Fprint(w, "answer")
}

func TestConnectionsAreRecycledAtTheirAge(t *testing.T) {
	for maxAge, want := range map[time.Duration]int64{2 * time.Second: 5, 0: 1} {
		synctest.Test(t, func(t *testing.T) {
			client, seen := startOnPipes(t, maxAge)
			for range 100 {
				if err := get(client, "http://users/"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(100 * time.Millisecond)
			}
			if got := seen.opened.Load(); got != want {
				t.Errorf("max age %s: %d connections in 10 s, want %d", maxAge, got, want)
			}
			if got := seen.closed.Load(); got != want-1 {
				t.Errorf("max age %s: %d closed, want all but the last of %d", maxAge, got, want)
			}
		})
	}
}

func TestRecyclingLeavesRequestsInFlightAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, seen := startOnPipes(t, 2*time.Second)
		slow := make(chan error, 1)
		go func() { slow <- get(client, "http://users/slow") }()
		time.Sleep(4 * time.Second)
		if err := get(client, "http://users/"); err != nil { // retires the connection with the slow answer
			t.Fatal(err)
		}
		synctest.Wait()
		if got := seen.closed.Load(); got != 0 {
			t.Fatalf("%d connections closed while both are in use or fresh, want 0", got)
		}
		if err := <-slow; err != nil {
			t.Fatalf("the request in flight was broken: %v", err)
		}
		synctest.Wait()
		if got := seen.closed.Load(); got != 1 {
			t.Errorf("%d connections closed after the slow answer, want the old one", got)
		}
	})
}

func TestARequestThatMissedTheRetirementLeavesNoConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, seen := startOnPipes(t, 2*time.Second)
		recycler := client.Transport.(*Recycler)
		old := recycler.acquire() // a request that has its generation but no connection yet
		time.Sleep(2 * time.Second)
		if err := get(client, "http://users/"); err != nil {
			t.Fatal(err)
		}
		if err := get(&http.Client{Transport: old.transport}, "http://users/"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		recycler.release(old)
		synctest.Wait()
		if got := seen.closed.Load(); got != 1 {
			t.Errorf("%d connections closed, want the one of the old generation", got)
		}
	})
}

func startOnPipes(t *testing.T, maxAge time.Duration) (*http.Client, *connections) {
	network, seen := pipenet.New(), &connections{}
	server := &http.Server{Handler: http.HandlerFunc(slowly), ConnState: seen.watch}
	listener := network.Listen("users")
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return &http.Client{Transport: NewRecycler(maxAge, network.Dial)}, seen
}

func TestRecyclingUnderLoadOnRealSockets(t *testing.T) {
	seen := &connections{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(slowly))
	server.Config.ConnState = seen.watch
	server.Start()
	defer server.Close()
	client := &http.Client{Transport: NewRecycler(5*time.Millisecond, nil)}
	defer client.CloseIdleConnections()
	var load sync.WaitGroup
	for range 8 {
		load.Go(func() {
			for range 150 {
				if err := get(client, server.URL); err != nil {
					t.Error(err)
				}
			}
		})
	}
	load.Wait()
	if got := seen.opened.Load(); got <= 8 || got >= 1200 {
		t.Errorf("%d connections for 1200 requests, want more than the 8 in parallel and fewer than one each", got)
	}
}
