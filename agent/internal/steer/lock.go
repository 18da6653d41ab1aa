package steer

import (
	"bufio"
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
	base := "chaos-agent/" + place
	l := &Lock{}
	if err := l.bind(base); err != nil {
		return nil, spec.CannotRun(fmt.Sprintf("%s is already faulted by %s", place, holder(base)),
			"end that fault first, or fault another place")
	}
	// The second name only says who holds the first one.
	label := fmt.Sprintf("%s#%.40s (agent pid %d)", base, owner, watchdog.PID())
	if err := l.bind(label); err != nil {
		l.Release()
		return nil, spec.CannotRun("cannot name the lock: "+err.Error(), "give the fault a plain name")
	}
	return l, nil
}

// isHeld reports whether an agent in this network namespace holds a place.
func isHeld(place string) bool {
	l := &Lock{}
	defer l.Release()
	return l.bind("chaos-agent/"+place) != nil
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
