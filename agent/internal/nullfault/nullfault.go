// Package nullfault is the fault kind "null": it is held like every other fault and breaks nothing.
package nullfault

import (
	"time"

	"chaosgo/agent/internal/confine"
	"chaosgo/agent/internal/lease"
	"chaosgo/agent/internal/spec"
)

// Kind is the name of this kind on the wire.
const Kind = "null"

// Null asks for nothing but a note, which may have 1 to 100 bytes.
type Null struct {
	Note string `json:"note" jsonschema:"minLength=1,maxLength=100"`
}

// NullTotals tell for how long the fault was held.
type NullTotals struct {
	HeldS float64 `json:"held_s"`
}

func init() {
	lease.Register(spec.Kind{
		Name:   Kind,
		Detail: func() spec.Detail { return &Null{} },
		Totals: func() any { return &NullTotals{} },
		Fault:  true,
	}, func(func(spec.Event)) lease.Work { return &work{since: map[string]time.Time{}} })
}

// Validate judges the note.
func (n *Null) Validate(*spec.Spec) error {
	if n.Note == "" || len(n.Note) > 100 {
		return spec.Bad("null.note", n.Note, "not a note", "give 1 to 100 bytes")
	}
	return nil
}

type work struct{ since map[string]time.Time }

func (w *work) Arm(s *spec.Spec) (*spec.Armed, error) {
	w.since[s.ID] = time.Now()
	return &spec.Armed{}, nil
}

func (w *work) Disarm(string) {}

func (w *work) Report(id string, _ bool) any {
	return &NullTotals{HeldS: time.Since(w.since[id]).Seconds()}
}

func (w *work) Needs(*spec.Spec) confine.Needs { return confine.Needs{} }

func (w *work) Close(<-chan struct{}) {}
