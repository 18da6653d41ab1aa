package load

import (
	"chaosgo/agent/internal/lease"
	"chaosgo/agent/internal/spec"
)

func init() {
	lease.Register(spec.KindLoad, func(emit func(spec.Event)) lease.Work { return &work{emit: emit} })
}

// work is one load held by a lease.
type work struct {
	emit      func(spec.Event)
	generator *Generator
	totals    spec.LoadSecond
}

// Arm starts the load; one agent drives one.
func (w *work) Arm(s *spec.Spec) (*spec.Armed, error) {
	if w.generator != nil {
		return nil, spec.Bad("id", s.ID, "this agent drives a load already", "start another agent for it")
	}
	g, err := New(s.Load, func(second spec.LoadSecond) {
		w.emit(spec.Event{Event: spec.EventStats, ID: s.ID, Load: &second})
	})
	if err != nil {
		return nil, err
	}
	w.generator = g
	g.Start()
	return &spec.Armed{}, nil
}

// Disarm stops sending, waits for the requests in flight and reports the seconds still open.
func (w *work) Disarm(string) { w.totals = w.generator.Stop() }

// Report gives the totals of the whole load once it has ended.
func (w *work) Report(_ string, e *spec.Event) {
	if e.Event == spec.EventDisarmed {
		e.Load = &w.totals
	}
}

// Close has nothing left to wait for.
func (w *work) Close(<-chan struct{}) {}

var _ lease.Work = (*work)(nil)
