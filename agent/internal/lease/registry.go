package lease

import (
	"chaosgo/agent/internal/confine"
	"chaosgo/agent/internal/spec"
)

// Work is what one agent process holds up: the faults of one place, or a load. The lease calls it
// from one goroutine.
type Work interface {
	// Arm puts what s asks for in place, whole or not at all.
	Arm(s *spec.Spec) (*spec.Armed, error)
	// Disarm ends the fault id. When it returns nothing is faulted by it any more.
	Disarm(id string)
	// Report gives the totals of the fault id, while it is armed or once it has ended: what the Totals
	// of its kind make. While it is armed, nil means that there is nothing worth a stats event.
	Report(id string, ended bool) any
	// Needs tells what s needs of the process from when it is armed until the end of Close.
	Needs(s *spec.Spec) confine.Needs
	// Close waits, for a bounded time and not beyond hurry, until what passed through the faults has
	// ended, and cuts the rest.
	Close(hurry <-chan struct{})
}

// Opener makes the work of one kind, with nothing in place yet. The work may emit stats of its own.
type Opener func(emit func(spec.Event)) Work

var openers = map[string]Opener{}

// Register makes a kind known; every kind's package calls it once, from init.
func Register(kind spec.Kind, open Opener) {
	spec.RegisterKind(kind)
	openers[kind.Name] = open
}
