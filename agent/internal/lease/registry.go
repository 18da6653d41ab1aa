package lease

import (
	"chaosgo/agent/internal/confine"
	"chaosgo/agent/internal/spec"
)

// Work is what one agent process holds: the faults of one place, or a load. The lease calls it from one
// goroutine.
type Work interface {
	// Arm puts everything that s asks for in place. After an error nothing of it is in place.
	Arm(s *spec.Spec) (*spec.Armed, error)
	// Disarm ends the fault id. When it returns, the fault is applied to nothing any more.
	Disarm(id string)
	// Report gives the totals of the fault id, while it is armed or once it has ended. They have the type
	// that Totals of its kind makes. While the fault is armed, nil means that no stats event is sent.
	Report(id string, ended bool) any
	// Needs tells which privileges s takes after Arm, until the end of Close.
	Needs(s *spec.Spec) confine.Needs
	// Close waits until the connections that passed through the faults have ended, for a bounded time and
	// until hurry is closed. Then it cuts those that are left.
	Close(hurry <-chan struct{})
}

// Opener makes the work of one kind, with nothing in place yet. The work may emit stats events itself.
type Opener func(emit func(spec.Event)) Work

var openers = map[string]Opener{}

// Register makes a kind known; every kind's package calls it once, from init.
func Register(kind spec.Kind, open Opener) {
	spec.RegisterKind(kind)
	openers[kind.Name] = open
}
