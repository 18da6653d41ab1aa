// Package takeover ends connections that a service has accepted before it was faulted, so that their
// clients connect again, without a failed request: it changes one request on each of them in the
// packet, at the same length, into one behind which the service itself closes the connection.
package takeover

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"chaosgo/agent/internal/nfqueue"
)

const (
	// drainTime is for the packets that were on their way into a queue when its rules went.
	drainTime = 20 * time.Millisecond
	// maxWaiting packets may wait in a queue; more of them pass.
	maxWaiting = 4096
	// headsOnly bytes hold IP and TCP headers with all their options and the first bytes behind them.
	headsOnly = 192
)

// Takeover watches connections until they have ended.
type Takeover struct {
	toServer, toClient *nfqueue.Queue
	taken              atomic.Uint64

	mu     sync.Mutex
	guards map[Flow]*guard
}

// Open binds two queues for these connections. The rules that lead the packets there come after it,
// and go before Close.
func Open(flows map[Flow]bool) (*Takeover, error) {
	// What clients send comes whole, one segment at a time, as it may be changed. Of the answers, only
	// the first bytes are looked at.
	toServer, err := nfqueue.Open(nfqueue.Options{Copy: nfqueue.WholePacket, Length: maxWaiting})
	if err != nil {
		return nil, err
	}
	toClient, err := nfqueue.Open(nfqueue.Options{Copy: headsOnly, Length: maxWaiting, WholeGSO: true})
	if err != nil {
		return nil, errors.Join(err, toServer.Close())
	}
	t := &Takeover{toServer: toServer, toClient: toClient, guards: map[Flow]*guard{}}
	for f := range flows {
		t.guards[f] = &guard{}
	}
	toServer.Start(t.fromClient)
	toClient.Start(t.fromServer)
	return t, nil
}

// Queues gives the numbers of the queues: of what clients send and of what the server sends.
func (t *Takeover) Queues() (toServer, toClient uint16) {
	return t.toServer.Number(), t.toClient.Number()
}

// Taken is how many connections were told to end.
func (t *Takeover) Taken() uint64 { return t.taken.Load() }

// Watched is how many connections are still to be taken over, or have not ended yet.
func (t *Takeover) Watched() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.guards)
}

// Leave leaves a connection alone from now on.
func (t *Takeover) Leave(f Flow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g := t.guards[f]; g != nil {
		g.leave = true
	}
}

// Forget stops watching the connections that are not alive any more and those that are to be left
// alone. It gives these.
func (t *Takeover) Forget(alive map[Flow]bool) map[Flow]bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	forgotten := map[Flow]bool{}
	for f, g := range t.guards {
		if !alive[f] || g.leave {
			delete(t.guards, f)
			forgotten[f] = true
		}
	}
	return forgotten
}

// Close lets the packets pass that wait for a verdict, and gives up the queues.
func (t *Takeover) Close() {
	time.Sleep(drainTime)
	t.toServer.Close() //nolint:errcheck // a closed queue is all we want
	t.toClient.Close() //nolint:errcheck // same
}

func (t *Takeover) fromClient(packet *nfqueue.Packet) nfqueue.Verdict {
	s, ok := parse(packet.Payload, packet.Size)
	if !ok {
		return nfqueue.Accept
	}
	f := Flow{Client: s.source, Server: s.destination}
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.guards[f]
	if g == nil {
		return nfqueue.Accept
	}
	if s.flags&synFlag != 0 { // the port is used again, by a new connection
		g.leave, g.edit = true, nil
	}
	untouched := g.edit == nil
	if !g.fromClient(&s) {
		return nfqueue.Accept
	}
	if untouched {
		t.taken.Add(1)
	}
	return nfqueue.AcceptChanged
}

func (t *Takeover) fromServer(packet *nfqueue.Packet) nfqueue.Verdict {
	if s, ok := parse(packet.Payload, packet.Size); ok {
		t.mu.Lock()
		defer t.mu.Unlock()
		if g := t.guards[Flow{Client: s.destination, Server: s.source}]; g != nil {
			g.fromServer(&s)
		}
	}
	return nfqueue.Accept
}
