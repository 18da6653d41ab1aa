package shop

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"chaosgo/demo/internal/upstream"
)

// replicas are several processes behind one name, as behind a Service of Kubernetes: each new connection goes to the
// next one, also to one that has been killed, since a Service learns late of it. Sockets are real.
type replicas struct {
	servers []*httptest.Server
	next    atomic.Int64
}

func (r *replicas) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	server := r.servers[int(r.next.Add(1))%len(r.servers)]
	return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
}

// kill ends a replica like SIGKILL: what it has connections for breaks, and new ones are refused.
func (r *replicas) kill(n int) {
	_ = r.servers[n].Listener.Close() // the server may not have begun to use it, and would not close it at once
	_ = r.servers[n].Config.Close()
}

// startReplicas runs n replicas of a role. Those of the next layer are reached by dial.
func startReplicas(t *testing.T, n int, line string, dial upstream.DialFunc) *replicas {
	t.Helper()
	all := &replicas{}
	for range n {
		cmd, err := parse(strings.Fields(line))
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(cmd.service(dial))
		t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
		all.servers = append(all.servers, server)
	}
	return all
}

// byHost dials the replicas of the host of an address.
func byHost(hosts map[string]*replicas) upstream.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return hosts[host].dial(ctx, network, address)
	}
}

// lostWhenKilled posts n orders, 8 at a time, to the first server, has a replica killed after a quarter of them, and
// counts the answers that are not 200.
func lostWhenKilled(t *testing.T, entry *replicas, n int, kill func()) (lost int64) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	var sent, failed atomic.Int64
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			for number := sent.Add(1); number <= int64(n); number = sent.Add(1) {
				if number == int64(n)/4 {
					kill()
				}
				response, err := client.Post(entry.servers[0].URL+"/checkout", "application/json",
					strings.NewReader(`{"user_id":"42","amount":19.9}`))
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err != nil || response.StatusCode != 200 {
					failed.Add(1)
					t.Logf("%d %s", response.StatusCode, body)
				}
			}
		})
	}
	senders.Wait()
	return failed.Load()
}

const (
	replicaCheckout = checkoutAt + "--max-connection-age 20ms " // so that many connections are opened
	replicaUsers    = "users --latency 2ms --tail 5ms"
)

func TestCheckoutLosesNoOrderWhenOneOfThreeUsersIsKilled(t *testing.T) {
	for bad, wantLoss := range map[string]bool{"": false, "--bad no-retry": true} {
		users := startReplicas(t, 3, replicaUsers, nil)
		risk := startReplicas(t, 1, quickRisk, nil)
		checkout := startReplicas(t, 1, replicaCheckout+bad, byHost(map[string]*replicas{"users": users, "risk": risk}))
		if lost := lostWhenKilled(t, checkout, 800, func() { users.kill(1) }); (lost > 0) != wantLoss {
			t.Errorf("with %q: %d of 800 orders were lost", bad, lost)
		}
	}
}

func TestGatewayOpensARefusedConnectionAgainAndSendsEachOrderOnce(t *testing.T) {
	users, risk := startReplicas(t, 1, quickUsers, nil), startReplicas(t, 1, quickRisk, nil)
	checkout := startReplicas(t, 2, checkoutAt, byHost(map[string]*replicas{"users": users, "risk": risk}))
	checkout.kill(1)
	var orders atomic.Int64
	served := checkout.servers[0].Config.Handler
	checkout.servers[0].Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		orders.Add(1)
		served.ServeHTTP(w, r)
	})
	gateway := startReplicas(t, 1, gatewayAt+"--max-connection-age 20ms", byHost(map[string]*replicas{"checkout": checkout}))
	if lost := lostWhenKilled(t, gateway, 400, func() {}); lost != 0 || orders.Load() != 400 {
		t.Errorf("%d of 400 orders were lost, and %d arrived", lost, orders.Load())
	}
	if dials := checkout.next.Load(); dials < 10 {
		t.Errorf("only %d connections were opened: too few to be refused", dials)
	}
}

func TestGatewaySendsAnOrderOnlyOnceIfItsConnectionBreaks(t *testing.T) {
	var orders atomic.Int64
	breaking := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		orders.Add(1)
		panic(http.ErrAbortHandler)
	}))
	defer breaking.Close()
	checkout := &replicas{servers: []*httptest.Server{breaking}}
	gateway := startReplicas(t, 1, gatewayAt, byHost(map[string]*replicas{"checkout": checkout}))
	if lost := lostWhenKilled(t, gateway, 20, func() {}); lost != 20 || orders.Load() != 20 {
		t.Errorf("%d of 20 orders were lost, and %d arrived; want 20 of both", lost, orders.Load())
	}
}

func TestCheckoutSellsWhenOneOfTwoRisksRefuses(t *testing.T) {
	users, risk := startReplicas(t, 1, quickUsers, nil), startReplicas(t, 2, quickRisk, nil)
	risk.kill(1)
	checkout := startReplicas(t, 1, replicaCheckout, byHost(map[string]*replicas{"users": users, "risk": risk}))
	for range 40 {
		response, err := http.Post(checkout.servers[0].URL+"/checkout", "application/json",
			strings.NewReader(`{"user_id":"42","amount":19.9}`))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || !strings.Contains(string(body), approve) {
			t.Errorf("got %s, %v; want a sale", body, err)
		}
	}
	if risk.next.Load() < 2 {
		t.Error("no connection was refused")
	}
}
