package lease

import (
	"sort"

	"chaosgo/agent/internal/spec"
)

// Work is what one agent process holds up: the faults of one place, or a load. The lease calls it
// from one goroutine.
type Work interface {
	// Arm puts what s asks for in place, whole or not at all.
	Arm(s *spec.Spec) (*spec.Armed, error)
	// Disarm ends the fault id. When it returns nothing is faulted by it any more.
	Disarm(id string)
	// Report adds the totals of the fault id to a stats or disarmed event.
	Report(id string, e *spec.Event)
	// Close waits, for a bounded time and not beyond hurry, until what passed through the faults has
	// ended, and cuts the rest.
	Close(hurry <-chan struct{})
}

// Opener makes the work of one kind, with nothing in place yet. The work may emit stats of its own.
type Opener func(emit func(spec.Event)) Work

var openers = map[string]Opener{}

// Register makes a kind known; every kind's package calls it once, from init.
func Register(kind string, open Opener) { openers[kind] = open }

// FaultKinds lists the kinds that break something, sorted.
func FaultKinds() []string {
	var kinds []string
	for kind := range openers {
		if kind != spec.KindLoad {
			kinds = append(kinds, kind)
		}
	}
	sort.Strings(kinds)
	return kinds
}
