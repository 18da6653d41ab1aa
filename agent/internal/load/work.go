package load

import (
	"chaosgo/agent/internal/confine"
	"chaosgo/agent/internal/lease"
	"chaosgo/agent/internal/spec"
)

func init() {
	lease.Register(spec.Kind{
		Name:   Kind,
		Detail: func() spec.Detail { return &Load{} },
		Totals: func() any { return &LoadSecond{} },
	}, func(emit func(spec.Event)) lease.Work { return &work{emit: emit} })
}

// work is one load held by a lease.
type work struct {
	emit      func(spec.Event)
	generator *Generator
	totals    LoadSecond
}

// Arm starts the load; one agent drives one.
func (w *work) Arm(s *spec.Spec) (*spec.Armed, error) {
	if w.generator != nil {
		return nil, spec.Bad("id", s.ID, "this agent drives a load already", "start another agent for it")
	}
	g, err := New(s.Detail.(*Load), func(second LoadSecond) {
		w.emit(spec.Event{Event: spec.EventStats, ID: s.ID, Totals: &second})
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

// Report gives the totals of the whole load once it has ended. Until then each second is emitted when
// it is complete.
func (w *work) Report(_ string, ended bool) any {
	if !ended {
		return nil
	}
	return &w.totals
}

// Needs nothing of the process.
func (w *work) Needs(*spec.Spec) confine.Needs { return confine.Needs{} }

// Close has nothing left to wait for.
func (w *work) Close(<-chan struct{}) {}

var _ lease.Work = (*work)(nil)
