package steer

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"strings"

	"chaosgo/agent/internal/spec"
	"chaosgo/agent/internal/watchdog"
)

// Lock reserves a place for one agent. It is two datagram sockets with abstract names, which belong to
// the network namespace and vanish with the process (unix(7)). Nothing is ever received on them.
type Lock struct {
	sockets []*net.UnixConn
}

// Take locks a place such as "http/8081" for the fault owner. If the place is locked already, the
// error says by whom.
func Take(place, owner string) (*Lock, error) {
	base := lockName(place)
	l := &Lock{}
	if err := l.bind(base); err != nil {
		return nil, spec.CannotRun(fmt.Sprintf("%s is already faulted by %s", place, holder(base)),
			"end that fault first, or fault another place")
	}
	// The second name only says who holds the first one.
	pid := fmt.Sprintf(" (agent pid %d)", watchdog.PID())
	label := base + "#" + cut(owner, longestName-len(base)-len("#")-len(pid)) + pid
	if err := l.bind(label); err != nil {
		l.Release()
		return nil, spec.CannotRun("cannot name the lock: "+err.Error(), "run `chaos-agent check` there")
	}
	return l, nil
}

// isHeld reports whether an agent in this network namespace holds a place.
func isHeld(place string) bool {
	l := &Lock{}
	defer l.Release()
	return l.bind(lockName(place)) != nil
}

const (
	// longestName is that of an abstract socket, in bytes: sun_path without the zero at its beginning.
	longestName = 107
	// longestBase leaves room for the beginning of the owner's name and for a pid.
	longestBase = 64
)

// lockName gives the abstract name of the lock of a place. The end of a long one, such as that of a
// service in a cluster, becomes its hash.
func lockName(place string) string {
	name := "chaos-agent/" + place
	if len(name) <= longestBase {
		return name
	}
	hash := sha256.Sum256([]byte(place))
	return fmt.Sprintf("%s~%x", cut(name, longestBase-17), hash[:8])
}

// cut gives the beginning of a text, at most so many bytes.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "")
}

// Release frees the place.
func (l *Lock) Release() {
	for _, s := range l.sockets {
		s.Close() //nolint:errcheck // a closed socket is all we want
	}
}

func (l *Lock) bind(name string) error {
	s, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "@" + name, Net: "unixgram"})
	if err == nil {
		l.sockets = append(l.sockets, s)
	}
	return err
}

// holder finds the label of the lock in the list of Unix sockets.
func holder(base string) string {
	const unknown = "another run"
	f, err := os.Open("/proc/thread-self/net/unix")
	if err != nil {
		return unknown
	}
	defer f.Close() //nolint:errcheck // read only
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if _, label, ok := strings.Cut(lines.Text(), "@"+base+"#"); ok {
			return "'" + strings.Replace(label, " (agent", "' (agent", 1)
		}
	}
	return unknown
}
