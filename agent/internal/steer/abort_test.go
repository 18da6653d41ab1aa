package steer

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chaosgo/agent/internal/spec"
	"chaosgo/agent/internal/testnet"
)

// here returns a connection as the service that accepted it sees it, and as /proc/net/tcp shows it.
func here(served *net.TCPConn) Connection {
	plain := func(a net.Addr) netip.AddrPort {
		full := a.(*net.TCPAddr).AddrPort()
		return netip.AddrPortFrom(full.Addr().Unmap().WithZone(""), full.Port())
	}
	return Connection{Local: plain(served.LocalAddr()), Remote: plain(served.RemoteAddr())}
}

func readError(c *net.TCPConn) error {
	c.SetReadDeadline(time.Now().Add(patience / 4))
	_, err := c.Read(make([]byte, 1))
	return err
}

func TestAConnectionIsReset(t *testing.T) {
	if !testnet.Inside(t) {
		return
	}
	host := testnet.NewHost(t, "other")
	host.Connect(t, testnet.Addresses{Here: "fe80::1/64", There: "fe80::2/64"})
	for name, c := range map[string]struct{ listen, dial string }{
		"IPv4": {"127.0.0.1", "127.0.0.1"}, "IPv6": {"::1", "::1"}, "IPv4 to a service on IPv6": {"::", "127.0.0.1"},
		"link-local": {"fe80::1%to-other", "fe80::1%to-other"},
	} {
		t.Run(name, func(t *testing.T) {
			client, served := connectedTo(t, c.listen, c.dial)
			other, otherServed := connectedTo(t, c.listen, c.dial)
			if err := Abort(here(served)); err != nil {
				t.Fatal(err)
			}
			if err := readError(client); !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("the client got %v", err)
			}
			if _, err := otherServed.Write([]byte("x")); err != nil || readError(other) != nil {
				t.Errorf("another connection was ended too: %v", err)
			}
			if err := Abort(here(served)); err != nil {
				t.Errorf("one that has ended: %v", err)
			}
		})
	}
}

// Without the capability the message names the capability, and nothing else.
func TestAResetWithoutPrivilegesSaysWhatIsMissing(t *testing.T) {
	if !testnet.Inside(t) {
		return
	}
	client, served := connected(t, "::1")
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends without its capabilities
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil {
			failed <- err
			return
		}
		failed <- Abort(here(served))
	}()
	err := <-failed
	refused(t, err, "", "CAP_NET_ADMIN")
	var problem *spec.Problem
	if errors.As(err, &problem) && strings.Contains(problem.Fix, "tcp_diag") {
		t.Errorf("the fix speaks of modules: %s", problem.Fix)
	}
	if _, err := served.Write([]byte("x")); err != nil || readError(client) != nil {
		t.Errorf("the connection has ended: %v", err)
	}
}
