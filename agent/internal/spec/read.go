package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// read fills into with a valid JSON value. It is stricter than encoding/json: every name is spelt as
// in the tags, is known and comes once, and no value is null. A refusal names the full path.
func read(path string, value json.RawMessage, into reflect.Value) error {
	if u, ok := into.Addr().Interface().(json.Unmarshaler); ok {
		return u.UnmarshalJSON(value)
	}
	if string(value) == "null" {
		return Bad(orLine(path), "null", "not a value", "give one, or leave the field out")
	}
	switch into.Kind() {
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		return read(path, value, into.Elem())
	case reflect.Struct:
		o, err := open(path, value)
		if err != nil {
			return err
		}
		return o.fillAll(into)
	case reflect.Map:
		return readMap(path, value, into)
	}
	if json.Unmarshal(value, into.Addr().Interface()) != nil {
		return wrongType(path, value, into.Type())
	}
	return nil
}

func readMap(path string, value json.RawMessage, into reflect.Value) error {
	o, err := open(path, value)
	if err != nil {
		return err
	}
	into.Set(reflect.MakeMap(into.Type()))
	for _, name := range o.names {
		key, item := reflect.New(into.Type().Key()).Elem(), reflect.New(into.Type().Elem()).Elem()
		text := json.RawMessage(name)
		if key.Kind() == reflect.String {
			text, _ = json.Marshal(name) // a text can always be marshalled
		}
		if err := read(join(path, name), text, key); err != nil {
			return err
		}
		if err := read(join(path, name), o.values[name], item); err != nil {
			return err
		}
		into.SetMapIndex(key, item)
	}
	return nil
}

// object is a JSON object of which some fields may have been read already.
type object struct {
	path   string
	names  []string // in their order on the line
	values map[string]json.RawMessage
}

// open splits a valid JSON value into the fields that it has as an object.
func open(path string, value json.RawMessage) (*object, error) {
	o := &object{path: path, values: map[string]json.RawMessage{}}
	d := json.NewDecoder(bytes.NewReader(value))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return nil, wrongType(path, value, reflect.TypeOf(o.values))
	}
	for d.More() {
		token, err := d.Token()
		name, _ := token.(string)
		var item json.RawMessage
		if err != nil || d.Decode(&item) != nil {
			return nil, wrongType(path, value, reflect.TypeOf(o.values))
		}
		if o.values[name] != nil {
			return nil, Bad(join(path, name), shown(item), "the field is there twice", "give it once")
		}
		o.names, o.values[name] = append(o.names, name), item
	}
	return o, nil
}

// take gives the value of a field and forgets it.
func (o *object) take(name string) (value json.RawMessage, there bool) {
	value, there = o.values[name]
	if there {
		delete(o.values, name)
		o.names = slices.DeleteFunc(o.names, func(n string) bool { return n == name })
	}
	return value, there
}

// fillAll reads all fields that are left.
func (o *object) fillAll(into reflect.Value) error {
	for len(o.names) > 0 {
		if err := o.fill(into, o.names[0]); err != nil {
			return err
		}
	}
	return nil
}

// fill reads one field, if it is there, into the field of a struct that has its name as a tag.
func (o *object) fill(into reflect.Value, name string) error {
	value, there := o.take(name)
	if !there {
		return nil
	}
	for _, f := range reflect.VisibleFields(into.Type()) {
		if tag := jsonName(f); tag == name && tag != "" {
			return read(join(o.path, name), value, into.FieldByIndex(f.Index))
		}
	}
	return Bad(join(o.path, name), shown(value), "unknown field",
		"known are "+strings.Join(names(into.Interface()), ", "))
}

// names lists the names on the wire of a struct's fields.
func names(of any) []string {
	var all []string
	for _, f := range reflect.VisibleFields(reflect.TypeOf(of)) {
		if name := jsonName(f); name != "" {
			all = append(all, name)
		}
	}
	return all
}

// jsonName gives "" for a field that is not on the wire.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "-" {
		return ""
	}
	return name
}

// wrongType refuses a value that a Go type cannot hold. Only where a number or a truth value should
// be the value cannot be a secret.
func wrongType(path string, value json.RawMessage, want reflect.Type) error {
	fix, text := "", shown(value)
	switch kind := want.Kind(); {
	case kind == reflect.String:
		fix = "give a text"
	case kind == reflect.Bool:
		fix, text = "give true or false", plain(value)
	case kind == reflect.Float64:
		fix, text = "give a number, without quotes or unit", plain(value)
	case kind == reflect.Uint64:
		fix, text = "give a whole number from 0 to 18446744073709551615, without quotes or unit", plain(value)
	case kind >= reflect.Int && kind <= reflect.Uintptr:
		fix, text = "give a whole number, without quotes or unit", plain(value)
	case kind == reflect.Slice:
		fix = "give a list of values of the right type"
	default:
		fix = "give an object"
	}
	return Bad(orLine(path), text, "wrong type or out of range", fix)
}

// plain gives a text without its quotes, and anything else as it is on the line.
func plain(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	return string(value)
}

// shown gives what may be said of a value that could be a secret: a number or a truth value itself, of
// anything else what it is.
func shown(value json.RawMessage) string {
	switch {
	case bytes.HasPrefix(value, []byte(`"`)):
		return fmt.Sprintf("(a text, %d bytes)", len(plain(value)))
	case bytes.HasPrefix(value, []byte("{")):
		return "(an object)"
	case bytes.HasPrefix(value, []byte("[")):
		return "(a list)"
	}
	return string(value)
}

// orLine names the whole line where no field is to blame.
func orLine(path string) string {
	if path == "" {
		return "line"
	}
	return path
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
