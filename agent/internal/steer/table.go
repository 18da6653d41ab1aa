package steer

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"chaosgo/agent/internal/spec"
)

// States of a TCP socket in /proc/net/tcp (include/net/tcp_states.h).
const (
	established = 1
	synReceived = 3
	listening   = 10
)

// CheckListening refuses a port that nobody listens on in this network namespace.
func CheckListening(port int) error {
	listeners, err := localPorts(listening)
	if err != nil {
		return spec.CannotRun(err.Error(), "mount /proc")
	}
	if listeners[port] > 0 {
		return nil
	}
	var others []string
	for p := range listeners {
		others = append(others, strconv.Itoa(p))
	}
	slices.Sort(others)
	return spec.Bad("way.port", strconv.Itoa(port), "nobody listens there in this network namespace",
		fmt.Sprintf("start the service first, or take one of the ports in use: %s",
			strings.Join(append(others, "(none)")[:max(1, len(others))], ", ")))
}

// localPorts counts the TCP sockets in one state by their local port, for IPv4 and IPv6.
func localPorts(state uint64) (map[int]int, error) {
	counts := map[int]int{}
	return counts, eachSocket(func(line string) {
		if in, c, ok := readConnection(line); ok && in == state {
			counts[int(c.Local.Port())]++
		}
	})
}

// eachSocket calls take with the line of each TCP socket of this network namespace.
func eachSocket(take func(line string)) error {
	for _, name := range []string{"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"} {
		f, err := os.Open(name)
		if os.IsNotExist(err) && strings.HasSuffix(name, "6") {
			continue // the host lacks IPv6
		}
		if err != nil {
			return err
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			take(lines.Text())
		}
		f.Close() //nolint:errcheck // read only
		if err := lines.Err(); err != nil {
			return err
		}
	}
	return nil
}
