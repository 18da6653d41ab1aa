package spec

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// MaxLine bounds one line in, so that a broken peer cannot fill the memory.
const MaxLine = 1 << 20

// MaxSpec bounds a line with a spec alone, so that the same spec also fits into an add.
const MaxSpec = MaxLine - 1024

// DecodeSpec reads and judges the first line in. A spec that is refused comes along as far as it could
// be read, so that the refusal can name its ID.
func DecodeSpec(line []byte) (*Spec, error) {
	var s Spec
	err := decode(line, &s)
	if err == nil {
		err = s.Validate()
	}
	if !isID(s.ID) {
		s.ID = ""
	}
	return &s, err
}

// DecodeCommand reads and judges any later line in. A command that is refused comes along as far as it
// could be read, so that the refusal can name its ID.
func DecodeCommand(line []byte) (*Command, error) {
	var c Command
	if err := decode(line, &c); err != nil {
		return &c, err
	}
	switch c.Command {
	case Heartbeat, Stop:
		return &c, nil
	case Remove:
		if c.ID == "" {
			return &c, Bad("id", "", "remove names no fault", "give the id of an armed fault")
		}
		return &c, nil
	case Add:
		if c.Spec == nil {
			return &c, Bad("spec", "", "add carries no spec", "send the fault to add as spec")
		}
		return &c, c.Spec.Validate()
	}
	return &c, Bad("command", c.Command, "unknown command", "use heartbeat, add, remove or stop")
}

// decode reads the only value of a line. A line that is no JSON may hold secrets and is not shown.
func decode(line []byte, into any) error {
	var whole json.RawMessage
	if err := json.Unmarshal(line, &whole); err != nil {
		where := ""
		var wrong *json.SyntaxError
		if errors.As(err, &wrong) {
			where = fmt.Sprintf(" at byte %d", wrong.Offset)
		}
		return Bad("line", Hidden(string(line)), "not one JSON object: "+err.Error()+where,
			"send one JSON object per line, with the fields of contract/schema.json")
	}
	return read("", whole, reflect.ValueOf(into).Elem())
}

// UnmarshalJSON reads a spec and the object of its kind. The version comes first, because in another
// protocol all the rest may be different.
func (s *Spec) UnmarshalJSON(line []byte) error {
	o, err := open("", line)
	if err != nil {
		return err
	}
	into := reflect.ValueOf(s).Elem()
	for _, name := range []string{"id", "version", "kind"} {
		if err := o.fill(into, name); err != nil {
			return err
		}
	}
	if err := s.validateVersion(); err != nil {
		return err
	}
	if err := s.validateKind(); err != nil {
		return err
	}
	detail, err := o.takeObject(s.Kind)
	if err != nil {
		return err
	}
	s.Detail = kinds[s.Kind].Detail()
	if err := read(s.Kind, detail, reflect.ValueOf(s.Detail).Elem()); err != nil {
		return err
	}
	return o.fillAll(into)
}

// takeObject gives the object of a kind, and refuses those of other kinds.
func (o *object) takeObject(kind string) (json.RawMessage, error) {
	for _, k := range Kinds() {
		if k.Name != kind && o.values[k.Name] != nil {
			return nil, Bad(k.Name, "", "the object of another kind", "give only the object "+kind)
		}
	}
	detail, there := o.take(kind)
	if !there {
		return nil, missing(kind)
	}
	return detail, nil
}

// MarshalJSON writes the spec with the object of its kind.
func (s Spec) MarshalJSON() ([]byte, error) {
	type plain Spec
	return marshalWith(plain(s), s.Kind, s.Detail)
}

// UnmarshalJSON reads an event and the totals in it.
func (e *Event) UnmarshalJSON(line []byte) error {
	o, err := open("", line)
	if err != nil {
		return err
	}
	for _, k := range Kinds() {
		if totals, there := o.take(k.Name); there {
			e.Kind, e.Totals = k.Name, k.Totals()
			if err := read(k.Name, totals, reflect.ValueOf(e.Totals).Elem()); err != nil {
				return err
			}
		}
	}
	return o.fillAll(reflect.ValueOf(e).Elem())
}

// MarshalJSON writes the event with its totals.
func (e Event) MarshalJSON() ([]byte, error) {
	type plain Event
	return marshalWith(plain(e), e.Kind, e.Totals)
}

// marshalWith adds one field to an object that has some already.
func marshalWith(plain any, name string, value any) ([]byte, error) {
	line, err := json.Marshal(plain)
	if err != nil || value == nil {
		return line, err
	}
	field, err := json.Marshal(map[string]any{name: value})
	if err != nil {
		return nil, err
	}
	line[len(line)-1] = ','
	return append(line, field[1:]...), nil
}
