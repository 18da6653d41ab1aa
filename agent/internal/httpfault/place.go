// Package httpfault is the fault kind "http": it aborts or delays requests, or changes their answers, on
// one way: the port of a service, the calls to a dependency, or an explicit proxy.
package httpfault

import (
	"slices"
	"strconv"
	"sync"
	"time"

	"chaosgo/agent/internal/confine"
	"chaosgo/agent/internal/delay"
	"chaosgo/agent/internal/http1"
	"chaosgo/agent/internal/lease"
	"chaosgo/agent/internal/pulse"
	"chaosgo/agent/internal/relay"
	"chaosgo/agent/internal/spec"
	"chaosgo/agent/internal/steer"
)

// drainTime is how long after the last fault the connections that went through it are still relayed.
// Some cannot be asked to close, such as a WebSocket; they may end by themselves meanwhile.
const drainTime = 30 * time.Second

func init() {
	lease.Register(spec.Kind{
		Name:   Kind,
		Detail: func() spec.Detail { return &HTTP{} },
		Totals: func() any { return &HTTPTotals{} },
		Fault:  true,
	}, func(func(spec.Event)) lease.Work { return newPlace() })
}

// place is one way of requests, with the faults on it.
type place struct {
	where    string      // see location; empty while nothing is steered
	steering steering    // nil until the first fault
	lock     *steer.Lock // on the way
	relay    *http1.Relay
	counters relay.Counters
	unwatch  func() // stops the liveness check

	mu     sync.RWMutex
	timer  *delay.Timer // nil before the first delay
	faults []*fault
	ended  map[string]*fault
}

func newPlace() *place {
	p := &place{ended: map[string]*fault{}}
	p.relay = &http1.Relay{Decide: p.decide, Counters: &p.counters}
	p.unwatch = pulse.Each(p.answers)
	return p
}

// answers is the liveness check: it takes the lock that every decision takes. When it blocks, the
// watchdog kills this process.
func (p *place) answers() {
	p.mu.RLock()
	defer p.mu.RUnlock()
}

// Arm adds a fault; the first one also brings the requests here.
func (p *place) Arm(s *spec.Spec) (*spec.Armed, error) {
	f, err := newFault(s)
	if err != nil {
		return nil, err
	}
	if f.delay != nil {
		if err := p.startTimer(); err != nil {
			return nil, err
		}
	}
	if p.where == "" {
		err = p.begin(s)
	} else {
		err = p.join(s)
	}
	if err != nil {
		return nil, err
	}
	armed := &spec.Armed{Seed: f.seed}
	p.steering.report(armed)
	p.mu.Lock()
	p.faults = append(p.faults, f)
	p.mu.Unlock()
	return armed, nil
}

// begin brings the requests of a way here.
func (p *place) begin(s *spec.Spec) error {
	lock, err := steer.Take("http/"+lockName(s.Way), s.ID)
	if err != nil {
		return err
	}
	p.relay.MaxConnections = asked(s).MaxConnections
	steering := newSteering(s.Way, p.relay)
	if err := steering.begin(s); err != nil {
		steering.release()
		steering.end()
		lock.Release()
		return err
	}
	p.where, p.steering, p.lock = location(s.Way), steering, lock
	return nil
}

// join refuses a fault that is for another way, or needs this one to be steered differently.
func (p *place) join(s *spec.Spec) error {
	if where := location(s.Way); where != p.where {
		return spec.Bad("way", where, "this agent holds "+p.where, "start another agent for another place")
	}
	if most := asked(s).MaxConnections; most != p.relay.MaxConnections {
		return otherwise("http.max_connections", strconv.Itoa(most), strconv.Itoa(p.relay.MaxConnections))
	}
	return p.steering.agree(asked(s))
}

// Disarm ends a fault; after the last one requests take their old way again.
func (p *place) Disarm(id string) {
	p.mu.Lock()
	i := slices.IndexFunc(p.faults, func(f *fault) bool { return f.id == id })
	if i < 0 {
		p.mu.Unlock()
		return
	}
	f := p.faults[i]
	p.faults = append(p.faults[:i:i], p.faults[i+1:]...)
	p.ended[id] = f
	last := len(p.faults) == 0
	p.mu.Unlock()
	if last {
		p.steering.release()
		p.lock.Release()
	}
	close(f.over)
	if last {
		p.relay.Drain()
	}
}

// Report gives what the fault really did.
func (p *place) Report(id string, _ bool) any {
	p.mu.RLock()
	defer p.mu.RUnlock()
	f := p.ended[id]
	for _, armed := range p.faults {
		if armed.id == id {
			f = armed
		}
	}
	if f == nil {
		return nil
	}
	t := f.totals()
	t.Connections = p.counters.Connections.Load()
	t.TakenOver = p.steering.takenOver()
	t.Passthrough, t.PassthroughConnections = p.counters.Passthrough.Load()
	t.BytesIn = p.counters.BytesIn.Load()
	t.BytesOut = p.counters.BytesOut.Load()
	return t
}

// Needs are those of the steering, whatever the fault.
func (p *place) Needs(*spec.Spec) confine.Needs { return p.steering.needs() }

// Close lets the connections that still pass through end by themselves, then cuts what is left.
func (p *place) Close(hurry <-chan struct{}) {
	if p.steering != nil {
		p.drain(hurry)
	}
	if p.timer != nil {
		p.timer.Close()
	}
	p.unwatch()
}

func (p *place) drain(hurry <-chan struct{}) {
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		p.steering.wait(drainTime)
	}()
	select {
	case <-drained:
	case <-hurry:
	}
	p.relay.CloseAll()
	p.steering.end()
}

func (p *place) startTimer() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		return nil
	}
	timer, err := delay.New()
	if err != nil {
		return spec.CannotRun(err.Error(), "raise the limit of open files (ulimit -n)")
	}
	p.timer = timer
	return nil
}
