package steer

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"chaosgo/agent/internal/spec"
)

func TestLockTellsWhoseItIs(t *testing.T) {
	place := fmt.Sprintf("test/%d", unix.Getpid())
	first, err := Take(place, "users-503")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Take(place, "other")
	var problem *spec.Problem
	if !errors.As(err, &problem) || problem.Exit != spec.ExitCannotRun {
		t.Fatalf("the second one got %v", err)
	}
	for _, want := range []string{place, "'users-503'", fmt.Sprintf("pid %d", unix.Getpid())} {
		if !strings.Contains(problem.Message, want) {
			t.Errorf("%q does not name %s", problem.Message, want)
		}
	}
	first.Release()
	again, err := Take(place, "other")
	if err != nil {
		t.Fatalf("not free after the release: %v", err)
	}
	again.Release()
}

func TestLockOfAnyPlaceAndOwner(t *testing.T) {
	long := "test/to/" + strings.Repeat("a-long-name.of-a-service.", 10) + "local:8080"
	for _, place := range []string{"test/8081", "test/to/users.of-a-namespace.svc.cluster.local:8080", long} {
		for _, owner := range []string{"a", strings.Repeat("a", 100), strings.Repeat("\u00e9", 50), strings.Repeat("\u4e16", 33)} {
			held, err := Take(place, owner)
			if err != nil {
				t.Errorf("%q of %q: %v", place, owner, err)
				continue
			}
			_, err = Take(place, "other")
			if start := "'" + owner[:1]; err == nil || !utf8.ValidString(err.Error()) || len(owner) == 100 && !strings.Contains(err.Error(), start) {
				t.Errorf("%q of %q was taken twice, or by somebody unknown: %v", place, owner, err)
			}
			if other, err := Take(long+"x", "other"); err != nil {
				t.Errorf("another place with the same beginning: %v", err)
			} else {
				other.Release()
			}
			held.Release()
		}
	}
}

func TestListeningAndEstablishedAreCounted(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := CheckListening(port); err != nil {
		t.Errorf("somebody listens on %d: %v", port, err)
	}
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	held, err := Accepted(port)
	if err != nil || len(held) != 1 || held[0].Remote.String() != client.LocalAddr().String() {
		t.Errorf("accepted %v %v, want one from %s", held, err, client.LocalAddr())
	}
	l.Close()
	err = CheckListening(port)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint(port)) {
		t.Errorf("nobody listens on %d any more, but: %v", port, err)
	}
}

func TestOneLineOfTheSocketTable(t *testing.T) {
	for _, c := range []struct {
		line, local, remote string
		state               uint64
	}{
		{"   0: 0100007F:1F91 00000000:0000 0A 00000000:00000000 0 0 1", "127.0.0.1:8081", "0.0.0.0:0", listening},
		{"   1: 0000000000000000FFFF00000100007F:1F91 0000000000000000FFFF00000200007F:9C92 01 0 0 1",
			"127.0.0.1:8081", "127.0.0.2:40082", established},
		{"   2: 00000000000000000000000001000000:1F91 00000000000000000000000001000000:9C92 03 0 0 1",
			"[::1]:8081", "[::1]:40082", synReceived},
	} {
		state, got, ok := readConnection(c.line)
		if !ok || state != c.state || got.Local.String() != c.local || got.Remote.String() != c.remote {
			t.Errorf("%q: got state %d, %v, %v", c.line, state, got, ok)
		}
	}
	for _, line := range []string{"  sl  local_address rem_address   st", "", "   0: 0100007F 00000000:0000 0A"} {
		if _, got, ok := readConnection(line); ok {
			t.Errorf("%q is no socket, but: %v", line, got)
		}
	}
}

// The answer of the kernel decides what the user reads. These are answers of kernels that no test can
// boot.
func TestKernelAnswersAreExplained(t *testing.T) {
	for errno, want := range map[unix.Errno]string{
		unix.EPERM:           "CAP_NET_ADMIN",
		unix.EOPNOTSUPP:      "owner",
		unix.EINVAL:          "owner",
		unix.ENOENT:          "nft_tproxy",
		unix.EPROTONOSUPPORT: "nft_tproxy",
		unix.ENOBUFS:         "chaos-agent check",
	} {
		problem := explain(fmt.Errorf("conn.Receive: %w", errno))
		if !strings.Contains(problem.Error(), want) || problem.Exit != spec.ExitCannotRun {
			t.Errorf("%v: %q does not speak of %s", errno, problem, want)
		}
		if !strings.Contains(problem.Fix, "proxy/") {
			t.Errorf("%v: the way without privileges is missing in %q", errno, problem.Fix)
		}
	}
}

func TestNoSuchProcess(t *testing.T) {
	err := EnterNetworkOf(1 << 30)
	if err == nil || !strings.Contains(err.Error(), "1073741824") {
		t.Errorf("got %v", err)
	}
}
