package steer

import (
	"io"
	"net"
	"os"
	"testing"
	"time"

	"chaosgo/agent/internal/testnet"
)

// says answers every connection with one word and closes it.
func says(t *testing.T, word, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, word)
			c.Close()
		}
	}()
	return l
}

// hear connects from a host and returns what the other side says, or the error as text.
func hear(from *testnet.Host, address string) (word string) {
	from.Do(func() {
		d := net.Dialer{Timeout: patience / 4}
		c, err := d.Dial("tcp", address)
		if err != nil {
			word = err.Error()
			return
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience / 4))
		said, err := io.ReadAll(c)
		if word = string(said); err != nil {
			word += err.Error()
		}
	})
	return word
}

// A router between a client and a server has a fault on port 8081. The fault applies to the service of
// the router, and not to connections that it forwards to the same port of the server.
func TestForwardedTrafficIsNeverIntercepted(t *testing.T) {
	if !testnet.Inside(t) {
		return
	}
	for _, path := range []string{"/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"} {
		if err := os.WriteFile(path, []byte("1"), 0o644); err != nil {
			t.Skipf("no forwarding here: %v", err)
		}
	}
	client, server := testnet.NewHost(t, "client"), testnet.NewHost(t, "server")
	client.Connect(t, testnet.Addresses{Here: "10.0.1.1/24", There: "10.0.1.2/24"},
		testnet.Addresses{Here: "fd00:1::1/64", There: "fd00:1::2/64"})
	server.Connect(t, testnet.Addresses{Here: "10.0.2.1/24", There: "10.0.2.2/24"},
		testnet.Addresses{Here: "fd00:2::1/64", There: "fd00:2::2/64"})
	server.Do(func() { says(t, "server", ":8081") })
	says(t, "router", ":8081")

	listeners, err := ListenTransparent()
	if err != nil {
		t.Fatal(err)
	}
	defer listeners.Close()
	listeners.Accept(func(c *net.TCPConn) {
		io.WriteString(c, "agent")
		c.Close()
	})
	check := func(when, own string) {
		t.Helper()
		for address, want := range map[string]string{
			"10.0.2.2:8081": "server", "[fd00:2::2]:8081": "server", "10.0.1.1:8081": own, "[fd00:1::1]:8081": own,
		} {
			if got := hear(client, address); got != want {
				t.Errorf("%s: %s said %q, want %q", when, address, got, want)
			}
		}
	}
	check("before the fault", "router")
	rules, err := Intercept(8081, listeners)
	if err != nil {
		t.Skipf("no interception here: %v", err)
	}
	check("during the fault", "agent")
	if err := rules.Remove(); err != nil {
		t.Fatal(err)
	}
	check("after the fault", "router")
}
