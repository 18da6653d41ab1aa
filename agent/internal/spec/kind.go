package spec

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Detail is what a kind asks for in a Spec: a pointer to a struct with JSON tags.
type Detail interface {
	// Validate judges the detail as a part of s, after everything else in s was judged, and fills in
	// defaults. Refusals name the full path of a field, such as http.abort.status.
	Validate(s *Spec) error
}

// Kind is what this package must know of a kind of fault or load.
type Kind struct {
	// Name is the value of Spec.Kind, and the name of the kind's objects in specs and events.
	Name string
	// Detail makes an empty object of a spec.
	Detail func() Detail
	// Totals makes an empty object of a stats or disarmed event, a pointer to a struct.
	Totals func() any
	// Fault tells whether the kind breaks something.
	Fault bool
}

var kinds = map[string]Kind{}

// reserved are the fields that specs and events have whatever their kind.
var reserved = slices.Concat(names(Spec{}), names(Event{}))

// RegisterKind makes a kind known; every kind's package does it once, from init.
func RegisterKind(k Kind) {
	if _, known := kinds[k.Name]; known || slices.Contains(reserved, k.Name) || k.Name == "" {
		panic(fmt.Sprintf("the name %q of a kind is taken", k.Name))
	}
	kinds[k.Name] = k
}

// Kinds lists all kinds, sorted by name.
func Kinds() []Kind {
	return slices.SortedFunc(maps.Values(kinds), func(a, b Kind) int { return cmp.Compare(a.Name, b.Name) })
}

// KindNames lists the kinds that break something, or those that do not, sorted.
func KindNames(faults bool) []string {
	var all []string
	for _, k := range Kinds() {
		if k.Fault == faults {
			all = append(all, k.Name)
		}
	}
	return all
}

func missing(kind string) *Problem {
	return Bad(kind, "", "the object of this kind is missing", "give one that is named like the kind")
}
