// Package testnet runs a test in a network namespace of its own, and gives it more namespaces. Only
// tests import it.
package testnet

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// inside is an environment variable, set for the process that has the namespace.
const inside = "CHAOS_TESTNET"

// Inside runs the test again, in a process that has a network namespace of its own with lo up, and
// returns true there. Here it returns false when that process has ended; the test then has to return
// too. A user who is not root needs a user namespace for it. The test is skipped where no namespace
// can be made. It must not be a subtest.
func Inside(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		up(t, "lo")
		return true
	}
	c := exec.Command("/proc/self/exe", "-test.v", "-test.run=^"+regexp.QuoteMeta(t.Name())+"$")
	// The race detector would otherwise sleep for a second before it lets a process end.
	c.Env = append(os.Environ(), inside+"=1", "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	c.SysProcAttr = isolated()
	runtime.LockOSThread() // the child dies with this thread
	defer runtime.UnlockOSThread()
	out, err := c.CombinedOutput()
	switch said := string(out); {
	case c.ProcessState == nil:
		t.Skipf("no network namespace can be made here: %v", err)
	case err != nil:
		t.Errorf("in a network namespace of its own: %v\n%s", err, said)
	case strings.Contains(said, "--- SKIP: "+t.Name()):
		t.Skip(said)
	case !strings.Contains(said, "--- PASS: "+t.Name()):
		t.Errorf("the test did not run in its network namespace:\n%s", said)
	default:
		t.Log(said)
	}
	return false
}

func isolated() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL}
	if uid := os.Getuid(); uid != 0 {
		a.Cloneflags |= unix.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{HostID: uid, Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	return a
}

// Host is one more network namespace, and the thread that makes sockets in it.
type Host struct {
	Name string
	work chan func()
	pid  string // of the thread, in /proc
}

// NewHost makes a namespace with lo up. Call it Inside only.
func NewHost(t *testing.T, name string) *Host {
	t.Helper()
	h := &Host{Name: name, work: make(chan func())}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the namespace ends with the thread
		err := unix.Unshare(unix.CLONE_NEWNET)
		h.pid = fmt.Sprintf("%d/task/%d", os.Getpid(), unix.Gettid())
		started <- err
		for f := range h.work {
			f()
		}
	}()
	if err := <-started; err != nil {
		t.Skipf("no further network namespace can be made here: %v", err)
	}
	t.Cleanup(func() { close(h.work) })
	h.Do(func() { up(t, "lo") })
	return h
}

// Do runs f on the thread of the host: the sockets that f makes belong to its namespace.
func (h *Host) Do(f func()) {
	done := make(chan struct{})
	h.work <- func() { defer close(done); f() }
	<-done
}

// Connect makes a pair of interfaces, one here and one on the host, with an address for each end. The
// host sends all other traffic to the address here.
func (h *Host) Connect(t *testing.T, pairs ...Addresses) {
	t.Helper()
	namespace, err := os.Open("/proc/" + h.pid + "/ns/net")
	must(t, err)
	defer namespace.Close() //nolint:errcheck // read only
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "to-" + h.Name
	err = netlink.LinkAdd(&netlink.Veth{
		LinkAttrs: attrs, PeerName: "uplink", PeerNamespace: netlink.NsFd(namespace.Fd()),
	})
	if err != nil {
		t.Skipf("no pair of veth interfaces can be made here: %v", err)
	}
	for _, p := range pairs {
		give(t, attrs.Name, p.Here)
		h.Do(func() {
			give(t, "uplink", p.There)
			gateway, _, err := net.ParseCIDR(p.Here)
			must(t, err)
			uplink, err := netlink.LinkByName("uplink")
			must(t, err)
			must(t, netlink.RouteAdd(&netlink.Route{LinkIndex: uplink.Attrs().Index, Gw: gateway}))
		})
	}
}

// Addresses are those of the two ends of a connection, in CIDR notation.
type Addresses struct{ Here, There string }

func give(t *testing.T, link, cidr string) {
	t.Helper()
	address, err := netlink.ParseAddr(cidr)
	must(t, err)
	address.Flags = unix.IFA_F_NODAD // IPv6 addresses are usable at once
	l, err := netlink.LinkByName(link)
	must(t, err)
	must(t, netlink.AddrAdd(l, address))
	up(t, link)
}

func up(t *testing.T, link string) {
	t.Helper()
	l, err := netlink.LinkByName(link)
	must(t, err)
	must(t, netlink.LinkSetUp(l))
}

// must panics, because the threads of hosts call it too, on which FailNow is not allowed.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		panic(fmt.Sprintf("%s: %v", t.Name(), err))
	}
}
