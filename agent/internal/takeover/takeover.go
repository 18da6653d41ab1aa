// Package takeover makes the clients of connections that are older than the fault connect again, into
// the fault, without a failed request. It changes one request on each connection: the packet keeps its
// length, and the service closes the connection after its answer.
package takeover

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"chaosgo/agent/internal/nfqueue"
)

const (
	// drainTime is how long packets may need to reach a queue after its rules were removed.
	drainTime = 20 * time.Millisecond
	// maxWaiting is how many packets may wait in a queue. More of them pass.
	maxWaiting = 4096
	// headsOnly is large enough for IP and TCP headers with all options and the first bytes of the
	// payload.
	headsOnly = 192
)

// Takeover watches connections until they have ended.
type Takeover struct {
	toServer, toClient *nfqueue.Queue
	taken              atomic.Uint64

	mu     sync.Mutex
	guards map[Flow]*guard
}

// Open binds two queues for these connections. Install the rules that lead packets there after Open,
// and remove them before Close.
func Open(flows map[Flow]bool) (*Takeover, error) {
	// What clients send may be changed, so it comes whole and one segment at a time. Of the answers
	// only the first bytes are read.
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

// Queues returns the numbers of the queues, for what clients send and for what the server sends.
func (t *Takeover) Queues() (toServer, toClient uint16) {
	return t.toServer.Number(), t.toClient.Number()
}

// Taken is how many connections have had a request changed.
func (t *Takeover) Taken() uint64 { return t.taken.Load() }

// Watched is how many connections have not ended yet and are not left alone.
func (t *Takeover) Watched() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.guards)
}

// Leave changes nothing on a connection from now on.
func (t *Takeover) Leave(f Flow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g := t.guards[f]; g != nil {
		g.leave = true
	}
}

// Forget stops watching the connections that have ended or are left alone, and returns them.
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

// Close accepts the packets that wait for a verdict, and closes the queues.
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
	if s.flags&synFlag != 0 { // a new connection uses the same port
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
