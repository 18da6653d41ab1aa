package steer

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"chaosgo/agent/internal/spec"
)

const patience = 20 * time.Second

func refused(t *testing.T, err error, field, word string) {
	t.Helper()
	var problem *spec.Problem
	if !errors.As(err, &problem) || problem.Field != field || problem.Fix == "" || !strings.Contains(problem.Message, word) {
		t.Errorf("got %+v, want the field %s, a fix and the word %q", err, field, word)
	}
}

func TestAddressesAreResolvedToThemselves(t *testing.T) {
	for to, want := range map[string]string{
		"127.0.0.1:8082":            "127.0.0.1:8082",
		"[::1]:80":                  "[::1]:80",
		"[::ffff:192.0.2.1]:80":     "192.0.2.1:80",
		"[2001:db8:0:0:0:0:0:1]:80": "[2001:db8::1]:80",
	} {
		got, err := Resolve(to)
		if err != nil || len(got) != 1 || got[0].String() != want {
			t.Errorf("%s: got %v %v", to, got, err)
		}
	}
}

func TestNamesAreResolvedSortedAndOnce(t *testing.T) {
	got, err := Resolve("localhost:8082")
	if err != nil || !slices.Contains(got, netip.MustParseAddrPort("127.0.0.1:8082")) {
		t.Fatalf("got %v %v", got, err)
	}
	again := slices.Clone(got)
	slices.SortFunc(again, netip.AddrPort.Compare)
	if !slices.Equal(got, slices.Compact(again)) {
		t.Errorf("not sorted, or twice: %v", got)
	}
}

func TestNameWithoutAddressIsRefused(t *testing.T) {
	_, err := Resolve("nobody.invalid:80")
	refused(t, err, "way.to", "nobody.invalid")
}

// connected returns a connection of this process over loopback, and its accepted end.
func connected(t *testing.T, host string) (client, served *net.TCPConn) {
	t.Helper()
	return connectedTo(t, host, host)
}

// connectedTo listens on one address and dials another one, at the same port.
func connectedTo(t *testing.T, listen, dial string) (client, served *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(listen, "0"))
	if err != nil {
		t.Skipf("no %s here: %v", listen, err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", net.JoinHostPort(dial, strconv.Itoa(l.Addr().(*net.TCPAddr).Port)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

func TestOwnConnectionsAreToldFromOthers(t *testing.T) {
	for _, address := range []string{"127.0.0.1", "::1"} {
		client, _ := connected(t, address)
		own, err := openCaller(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		defer own.Close()
		other, err := openCaller(os.Getppid())
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		local, remote := client.LocalAddr().(*net.TCPAddr).AddrPort(), client.RemoteAddr().(*net.TCPAddr).AddrPort()
		if !own.Owns(local, remote) {
			t.Errorf("%s: our own connection is not ours", address)
		}
		if other.Owns(local, remote) {
			t.Errorf("%s: our connection is our parent's", address)
		}
		nobodys := netip.AddrPortFrom(local.Addr(), 1)
		if own.Owns(nobodys, remote) {
			t.Errorf("%s: a connection that is not there is ours", address)
		}
		calls, err := Calls([]netip.AddrPort{remote}, own)
		if err != nil || len(calls) != 1 || calls[0].Local != local {
			t.Errorf("%s: calls %v %v", address, calls, err)
		}
		if calls, _ := Calls([]netip.AddrPort{remote}, other); len(calls) != 0 {
			t.Errorf("%s: calls of the parent: %v", address, calls)
		}
	}
}

func TestCallerThatIsNotThere(t *testing.T) {
	_, err := openCaller(1 << 30)
	refused(t, err, "way.caller_pid", "no such process")
}

func TestConnectionToTheListenerItselfIsReset(t *testing.T) {
	l, err := ListenRedirected()
	if err != nil {
		t.Fatal(err)
	}
	l.AcceptRedirected(func(c *net.TCPConn, to netip.AddrPort) {
		t.Errorf("handed on, as if on the way to %s", to)
		c.Close()
	})
	for _, listener := range l.all() {
		c, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			continue // it was reset before Dial returned
		}
		if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("%s: read %d bytes, %v", listener.Addr(), n, err)
		}
		c.Close()
	}
	l.Close()
	if !l.Handled(patience) {
		t.Error("connections are left")
	}
}

// The kernel resets the connections that wait to be accepted when their listener is closed.
func TestCloseAcceptsWhatIsConnected(t *testing.T) {
	l, err := ListenTransparent()
	var problem *spec.Problem
	if errors.As(err, &problem) {
		l, err = ListenRedirected() // plain ones need no privileges
	}
	if err != nil {
		t.Fatal(err)
	}
	const clients = 20
	for range clients {
		c, err := net.Dial("tcp", l.v4.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if n := waiting(l.v4); n != clients {
		t.Fatalf("%d connections wait to be accepted, want %d", n, clients)
	}
	accepted := make(chan bool, clients)
	l.accept(func(_ *net.TCPListener, c *net.TCPConn) {
		c.Close()
		accepted <- true
	})
	l.Close()
	if !l.Handled(patience) || len(accepted) != clients {
		t.Errorf("%d of %d were accepted", len(accepted), clients)
	}
}
