package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// MaxLine bounds one line in, so that a broken peer cannot fill the memory.
const MaxLine = 1 << 20

// DecodeSpec reads and judges the first line in.
func DecodeSpec(line []byte) (*Spec, error) {
	var s Spec
	if err := decode(line, &s); err != nil {
		return nil, err
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return &s, nil
}

// DecodeCommand reads and judges any later line in.
func DecodeCommand(line []byte) (*Command, error) {
	var c Command
	if err := decode(line, &c); err != nil {
		return nil, err
	}
	switch c.Command {
	case Heartbeat, Stop:
		return &c, nil
	case Remove:
		if c.ID == "" {
			return nil, Bad("id", "", "remove names no fault", "give the id of an armed fault")
		}
		return &c, nil
	case Add:
		if c.Spec == nil {
			return nil, Bad("spec", "", "add carries no spec", "send the fault to add as spec")
		}
		return &c, c.Spec.Validate()
	}
	return nil, Bad("command", c.Command, "unknown command", "use heartbeat, add, remove or stop")
}

// decode refuses unknown fields and anything after the object: a typo must not pass silently.
func decode(line []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		var wrongType *json.UnmarshalTypeError
		if errors.As(err, &wrongType) {
			return Bad(wrongType.Field, wrongType.Value, "wrong type", fmt.Sprintf("give a %s", wrongType.Type))
		}
		return Bad("line", shorten(line), "not a JSON object of this protocol: "+err.Error(),
			"one JSON object per line with the fields of contract/schema.json")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Bad("line", shorten(line), "more than one JSON value on the line", "send one object per line")
	}
	return nil
}

func shorten(line []byte) string {
	const most = 120
	if len(line) > most {
		return string(line[:most]) + "..."
	}
	return string(line)
}
