// Package spec is the wire between the control plane and the agent: one JSON object per line. It
// holds what every kind of fault or load has; a kind registers the rest. The struct tags are the
// contract; contract/schema.json is generated from them.
package spec

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Protocol is the version of the wire. It changes when an old peer would misunderstand a new one.
const Protocol = 2

// Version is the release of the agent, set by the linker.
var Version = "unversioned"

// Limits of every lease. A fault never outlives MaxDurationS.
const (
	MaxDurationS  = 3600.0
	MaxLeaseS     = 60.0
	DefaultLeaseS = 10.0
	// maxID is in bytes.
	maxID = 100
)

// Spec is the first line in, and what an `add` command carries: one fault or one load.
type Spec struct {
	Version   int     `json:"version" jsonschema:"enum=2"`
	ID        string  `json:"id" jsonschema:"minLength=1,maxLength=100"`
	Kind      string  `json:"kind"`
	DurationS float64 `json:"duration_s" jsonschema:"exclusiveMinimum=0,maximum=3600"`
	LeaseS    float64 `json:"lease_s,omitempty" jsonschema:"minimum=1,maximum=60,default=10"`
	Way       *Way    `json:"way,omitempty"`
	// Detail is the object of the kind. On the wire it is a field that has the name of the kind.
	Detail Detail `json:"-"`
}

// Command is every line in after the first.
type Command struct {
	Command string `json:"command" jsonschema:"enum=heartbeat,enum=add,enum=remove,enum=stop"`
	Spec    *Spec  `json:"spec,omitempty"`
	ID      string `json:"id,omitempty"`
}

// The commands.
const (
	Heartbeat = "heartbeat"
	Add       = "add"
	Remove    = "remove"
	Stop      = "stop"
)

// Validate judges everything in the spec that can be judged without looking at the machine, and
// fills in defaults. Every refusal is a *Problem that names the field, its value and how to fix it.
func (s *Spec) Validate() error {
	if err := s.validateVersion(); err != nil {
		return err
	}
	return errors.Join(
		s.validateID(),
		Positive("duration_s", s.DurationS, MaxDurationS, "not a duration that is allowed", "seconds"),
		s.validateLease(),
		s.Way.validate(),
		s.validateDetail(),
	)
}

func (s *Spec) validateID() error {
	if !isID(s.ID) {
		return Bad("id", s.ID, "not a name", fmt.Sprintf("give 1 to %d bytes of printable characters", maxID))
	}
	return nil
}

func (s *Spec) validateLease() error {
	if s.LeaseS == 0 {
		s.LeaseS = DefaultLeaseS
	}
	if !(s.LeaseS >= 1 && s.LeaseS <= MaxLeaseS) {
		return Bad("lease_s", Number(s.LeaseS), "not a lease that is allowed", fmt.Sprintf("give 1 to %g seconds", MaxLeaseS))
	}
	return nil
}

func (s *Spec) validateDetail() error {
	if err := s.validateKind(); err != nil {
		return err
	}
	if s.Detail == nil {
		return missing(s.Kind)
	}
	return s.Detail.Validate(s)
}

func (s *Spec) validateVersion() error {
	if s.Version == Protocol {
		return nil
	}
	return Bad("version", strconv.Itoa(s.Version), "this agent speaks another protocol",
		fmt.Sprintf("use an agent and a control plane of one release (protocol %d)", Protocol))
}

func (s *Spec) validateKind() error {
	if _, known := kinds[s.Kind]; known {
		return nil
	}
	var names []string
	for _, k := range Kinds() {
		names = append(names, k.Name)
	}
	return Bad("kind", s.Kind, "unknown kind", "use "+strings.Join(names, " or "))
}

// RequireWay refuses a spec that does not say which traffic it is about.
func (s *Spec) RequireWay() error {
	if s.Way == nil {
		return Bad("way", "", "the spec does not say which traffic it is about", oneWay)
	}
	return nil
}

// RefuseWay refuses a way where the kind would ignore it.
func (s *Spec) RefuseWay() error {
	if s.Way != nil {
		return Bad("way", s.Way.String(), "the kind "+s.Kind+" has no way", "leave it out")
	}
	return nil
}

func isID(id string) bool {
	return id != "" && len(id) <= maxID && !strings.ContainsFunc(id, func(r rune) bool { return !unicode.IsPrint(r) })
}
