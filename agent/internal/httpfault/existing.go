package httpfault

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"chaosgo/agent/internal/spec"
	"chaosgo/agent/internal/steer"
	"chaosgo/agent/internal/takeover"
)

// sweepInterval is how often sweep looks for connections that have ended.
const sweepInterval = 250 * time.Millisecond

// side is the end of connections that is in this network namespace: the service's or the callers'.
type side struct {
	// flows lists the connections that are open now.
	flows func() ([]takeover.Flow, error)
	// queue leads the packets of these clients to packet queues.
	queue func(toServer, toClient uint16, clients []netip.AddrPort) (*steer.QueueRules, error)
	// abort resets a connection.
	abort func(takeover.Flow) error
}

// existing are the connections that were open before the place was intercepted.
type existing struct {
	side     *side
	asked    string // one of the constants Existing...
	handling string // what is done
	found    int
	problem  string // why they are left alone although something else was asked

	mu    sync.Mutex
	ours  map[takeover.Flow]bool // intercepted or our own; nil once handle has returned
	watch *takeover.Takeover     // nil unless connections are being taken over
	rules *steer.QueueRules
	taken uint64 // taken over by a watch that has ended
	stop  chan struct{}
	swept sync.WaitGroup
}

func newExisting(handling string) *existing {
	return &existing{asked: handling, handling: handling, ours: map[takeover.Flow]bool{}}
}

// handle takes the connections over, resets them or leaves them. New ones are intercepted already.
func (e *existing) handle(on *side) error {
	e.side = on
	flows, err := e.flows()
	if err != nil {
		return spec.CannotRun(err.Error(), "mount /proc")
	}
	e.found = len(flows)
	switch e.handling {
	case ExistingReset:
		for f := range flows {
			if err := on.abort(f); err != nil {
				p := spec.ProblemOf(err)
				return spec.Bad("http.existing", ExistingReset, p.Message, p.Fix+", or use takeover or leave")
			}
		}
	case ExistingTakeover:
		if err := e.takeOver(flows); err != nil {
			e.handling, e.problem = ExistingLeave, err.Error()
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for f := range e.ours {
		if e.watch != nil {
			e.watch.Leave(f) // it was opened after the sockets were listed
		}
	}
	e.ours = nil
	return nil
}

// flows lists the connections that are neither intercepted nor our own.
func (e *existing) flows() (map[takeover.Flow]bool, error) {
	open, err := e.side.flows()
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	flows := map[takeover.Flow]bool{}
	for _, f := range open {
		if !e.ours[f] {
			flows[f] = true
		}
	}
	return flows, nil
}

func (e *existing) takeOver(flows map[takeover.Flow]bool) error {
	if len(flows) == 0 {
		return nil
	}
	watch, err := takeover.Open(flows)
	if err != nil {
		return err
	}
	toServer, toClient := watch.Queues()
	queued, err := e.side.queue(toServer, toClient, clients(flows))
	if err != nil {
		watch.Close()
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.watch, e.rules, e.stop = watch, queued, make(chan struct{})
	e.swept.Go(e.sweep)
	return nil
}

// exclude tells that these connections are intercepted ones and our own, before any byte is relayed.
func (e *existing) exclude(flows ...takeover.Flow) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range flows {
		switch {
		case e.ours != nil:
			e.ours[f] = true
		case e.watch != nil:
			e.watch.Leave(f)
		}
	}
}

// sweep forgets connections that have ended, and ends the watch after the last one.
func (e *existing) sweep() {
	ticks := time.NewTicker(sweepInterval)
	defer ticks.Stop()
	for {
		select {
		case <-e.stop:
			return
		case <-ticks.C:
		}
		alive, err := e.flows()
		if err != nil {
			continue
		}
		gone := e.watch.Forget(alive)
		if e.watch.Watched() == 0 {
			e.endWatch()
			return
		}
		e.rules.Release(clients(gone)) //nolint:errcheck // packets of clients that stay in the rules are accepted anyway
	}
}

// endWatch removes the rules, so that no packet goes through the queues any more.
func (e *existing) endWatch() {
	e.rules.Remove() //nolint:errcheck // the queues are bypassed once they are closed
	e.watch.Close()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.taken, e.watch = e.watch.Taken(), nil
}

// end stops taking over.
func (e *existing) end() {
	if e.stop == nil {
		return
	}
	close(e.stop)
	e.swept.Wait()
	if e.watch != nil {
		e.endWatch()
	}
}

// agree refuses a fault that would handle the connections differently.
func (e *existing) agree(h *HTTP) error {
	if h.Existing == e.asked {
		return nil
	}
	return otherwise("http.existing", h.Existing, e.asked)
}

// report tells what becomes of the connections.
func (e *existing) report(a *spec.Armed) {
	a.ExistingConnections, a.ExistingHandling, a.ExistingProblem = e.found, e.handling, e.problem
	if e.handling == ExistingLeave {
		a.UntouchedConnections = e.found
	}
}

// takenOver counts the connections that were told to end.
func (e *existing) takenOver() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.watch != nil {
		return e.watch.Taken()
	}
	return e.taken
}

func clients[V any](flows map[takeover.Flow]V) []netip.AddrPort {
	var all []netip.AddrPort
	for f := range flows {
		all = append(all, f.Client)
	}
	return all
}

func address(a net.Addr) netip.AddrPort {
	full := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(full.Addr().Unmap().WithZone(""), full.Port())
}
