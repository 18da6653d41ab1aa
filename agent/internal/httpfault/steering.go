package httpfault

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"chaosgo/agent/internal/confine"
	"chaosgo/agent/internal/http1"
	"chaosgo/agent/internal/spec"
	"chaosgo/agent/internal/steer"
)

// steering brings the connections of one way to a relay. There is one implementation for each kind of
// way: inbound, outbound and explicit.
type steering interface {
	// begin brings connections from now on. After an error the caller calls release and end, which undo
	// what begin has done.
	begin(s *spec.Spec) error
	// agree refuses a fault that needs another steering than the one that has begun.
	agree(h *HTTP) error
	// report tells how connections are brought here.
	report(armed *spec.Armed)
	// needs are the privileges that it takes until end.
	needs() confine.Needs
	// takenOver counts the connections that were open before begin and were told to end.
	takenOver() uint64
	// release lets new connections take their old way. Those that were brought here stay.
	release()
	// wait returns when all connections that were brought here have ended, or after a timeout.
	wait(timeout time.Duration)
	// end cuts what the relay does not know of and frees everything.
	end()
}

func newSteering(way *spec.Way, relay *http1.Relay) steering {
	switch {
	case way.Proxy != nil:
		return &explicit{relay: relay}
	case way.To != "":
		return &outbound{relay: relay}
	}
	return &inbound{relay: relay}
}

// undo is what must be done to undo something, in reverse order.
type undo []func()

func (u *undo) add(f func()) { *u = append(*u, f) }

// run undoes everything once.
func (u *undo) run() {
	for _, f := range slices.Backward(*u) {
		f()
	}
	*u = nil
}

// dial gives the connection to the service, in place of which the client reached the agent. A service
// that is down looks down to the client, too: its connection is reset.
func dial(client *net.TCPConn, connect func() (*net.TCPConn, error)) (service *net.TCPConn, ok bool) {
	service, err := connect()
	if err != nil {
		steer.Reset(client)
		return nil, false
	}
	return service, true
}

// otherwise is the problem of a fault that disagrees with those that are at the place already.
func otherwise(field, value, has string) error {
	return spec.Bad(field, value, "the faults at this place already have "+has, "give all faults of one place the same")
}

// location says what this agent holds: a port, the address of an explicit proxy, or calls.
func location(w *spec.Way) string {
	if w.CallerPID != 0 {
		return fmt.Sprintf("%s from process %d", lockName(w), w.CallerPID)
	}
	return lockName(w)
}

// lockName is what only one agent may hold at a time: the calls to a dependency, whoever makes them.
func lockName(w *spec.Way) string {
	switch {
	case w.Proxy != nil:
		return w.Proxy.Listen
	case w.To != "":
		return "to/" + w.To
	}
	return strconv.Itoa(w.Port)
}
