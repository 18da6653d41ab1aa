// Package httpfault is the fault kind "http": it aborts or delays the requests that reach one
// service, or changes their answers, on an intercepted port or behind an explicit proxy.
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

// drainTime is how long after the last fault the connections that went through it are still relayed:
// what cannot be asked to close, such as a WebSocket or a long answer, ends by itself meanwhile.
const drainTime = 30 * time.Second

func init() {
	lease.Register(spec.Kind{
		Name:   Kind,
		Detail: func() spec.Detail { return &HTTP{} },
		Totals: func() any { return &HTTPTotals{} },
		Fault:  true,
	}, func(func(spec.Event)) lease.Work { return newPlace() })
}

// place is one intercepted port, one dependency whose calls are intercepted, or one explicit proxy, with
// the faults on it.
type place struct {
	where    string // see location; empty while nothing is steered
	upstream string // where an explicit proxy goes; "" is the client's own destination
	steering string
	asClient *steer.ReturnPath // nil: the service sees our address instead of the client's
	relay    *http1.Relay
	counters relay.Counters
	unwatch  func()                           // ends the proof that requests are decided
	undo     []func()                         // what steers requests here, in the order in which it was put in place
	handled  func(timeout time.Duration) bool // waits for what was intercepted; nil for an explicit proxy
	outbound *outbound                        // nil unless these are the calls to a dependency
	existing *existing                        // nil unless a port is intercepted

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

// answers returns when requests can be decided: without that this process has no pulse.
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
	where := location(s.Way)
	if p.where != "" && where != p.where {
		return nil, spec.Bad("way", where, "this agent holds "+p.where, "start another agent for another place")
	}
	if err := p.agree(asked(s)); err != nil {
		return nil, err
	}
	if f.delay != nil {
		if err := p.startTimer(); err != nil {
			return nil, err
		}
	}
	armed := &spec.Armed{Seed: f.seed}
	if p.where == "" {
		p.relay.MaxConnections = asked(s).MaxConnections
		if err := p.steer(s); err != nil {
			p.unsteer()
			p.closeReturnPath()
			return nil, err
		}
		p.where = where
	}
	armed.Steering = p.steering
	if p.existing != nil {
		p.existing.report(armed)
	}
	if p.outbound != nil {
		p.outbound.report(armed)
	}
	p.mu.Lock()
	p.faults = append(p.faults, f)
	p.mu.Unlock()
	return armed, nil
}

// agree refuses a fault that wants the place otherwise than those that are here already.
func (p *place) agree(h *HTTP) error {
	const message, fix = "the faults that are here already have it otherwise", "give all faults of one place the same"
	switch {
	case p.where == "":
	case h.KeepClientAddress != (p.asClient != nil):
		return spec.Bad("http.keep_client_address", strconv.FormatBool(h.KeepClientAddress), message, fix)
	case p.existing != nil && h.Existing != p.existing.asked:
		return spec.Bad("http.existing", h.Existing, message+", "+p.existing.asked, fix)
	}
	return nil
}

// Disarm ends a fault; with the last one the requests take their old way again.
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
		p.unsteer()
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
	if p.existing != nil {
		t.TakenOver = p.existing.takenOver()
	}
	t.Passthrough, t.PassthroughConnections = p.counters.Passthrough.Load()
	t.BytesIn = p.counters.BytesIn.Load()
	t.BytesOut = p.counters.BytesOut.Load()
	return t
}

// Needs keeps what steering takes until its end; an explicit proxy takes nothing.
func (p *place) Needs(s *spec.Spec) confine.Needs {
	var n confine.Needs
	if s.Way.Proxy == nil {
		n.Capabilities |= confine.Steering
	}
	if s.Way.CallerPID != 0 {
		n.Capabilities |= confine.SeeProcesses
	}
	return n
}

// Close lets the connections that still pass through end by themselves, then cuts what is left.
func (p *place) Close(hurry <-chan struct{}) {
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		if p.handled != nil {
			p.handled(drainTime)
		} else {
			p.relay.Wait(drainTime)
		}
	}()
	select {
	case <-drained:
	case <-hurry:
	}
	p.relay.CloseAll()
	if p.outbound != nil {
		p.outbound.end()
	}
	p.closeReturnPath()
	if p.timer != nil {
		p.timer.Close()
	}
	p.unwatch()
}

func (p *place) closeReturnPath() {
	if p.asClient != nil {
		p.asClient.Close()
	}
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

// decide asks the faults in the order in which they were armed: delays add up, of two edits the later
// one has its way, the first abort ends the matter.
func (p *place) decide(r *relay.Request) relay.Outcome {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var out relay.Outcome
	var delays []share
	for _, f := range p.faults {
		hit, delay := f.hits(r)
		if !hit {
			continue
		}
		if f.abort != nil {
			out.Abort = f.abort
			break
		}
		if f.edit != nil {
			out.Edits = append(out.Edits, f.edit)
		} else {
			delays = append(delays, share{f, delay})
		}
	}
	if len(delays) > 0 {
		timer := p.timer
		out.Hold = func(gone <-chan struct{}) { hold(timer, delays, gone) }
	}
	return out
}

// share is the part of one fault in the time that a request is held.
type share struct {
	fault *fault
	delay time.Duration
}

// hold keeps a request for one share after the other; the end of a fault ends its share only. Each
// begins when the one before it should have ended, so that lateness does not add up.
func hold(timer *delay.Timer, shares []share, gone <-chan struct{}) {
	begin := time.Now()
	for _, s := range shares {
		until := begin.Add(s.delay)
		timer.Until(until, s.fault.over, gone)
		now := time.Now()
		s.fault.obtained(now.Sub(begin))
		begin = until
		if now.Before(until) {
			begin = now
		}
		if isClosed(gone) {
			return
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
