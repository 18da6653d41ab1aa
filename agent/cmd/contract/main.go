// Command contract writes contract/schema.json from the structs of internal/spec and of all kinds, or
// with -check fails when the file in the repository says something else.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"github.com/invopop/jsonschema"

	_ "chaosgo/agent/internal/kinds"
	"chaosgo/agent/internal/spec"
)

func main() {
	check := flag.Bool("check", false, "fail when the file differs, write nothing")
	file := flag.String("file", "../contract/schema.json", "the schema's file")
	flag.Parse()
	if err := run(*file, *check); err != nil {
		fmt.Fprintln(os.Stderr, "contract:", err)
		os.Exit(1)
	}
}

func run(file string, check bool) error {
	now, err := schema()
	if err != nil {
		return err
	}
	if !check {
		return os.WriteFile(file, now, 0o644)
	}
	was, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !bytes.Equal(was, now) {
		return fmt.Errorf("%s is stale: run `make contract` and commit it", file)
	}
	return nil
}

// schema puts the three kinds of line, and the objects of all kinds of faults and loads, into one
// document with shared definitions.
func schema() ([]byte, error) {
	type lines struct {
		Spec    *spec.Spec    `json:"spec"`
		Command *spec.Command `json:"command"`
		Event   *spec.Event   `json:"event"`
	}
	reflector := jsonschema.Reflector{Anonymous: true}
	s := (&jsonschema.Reflector{Anonymous: true, ExpandedStruct: true}).Reflect(&lines{})
	var kinds []any
	for _, kind := range spec.Kinds() {
		kinds = append(kinds, kind.Name)
		for line, object := range map[string]any{"Spec": kind.Detail(), "Event": kind.Totals()} {
			if err := add(s.Definitions, line, kind.Name, reflector.Reflect(object)); err != nil {
				return nil, err
			}
		}
	}
	kind, _ := s.Definitions["Spec"].Properties.Get("kind")
	kind.Enum = kinds
	s.Title = fmt.Sprintf("chaos-agent wire, protocol %d", spec.Protocol)
	s.Description = "Lines between control plane and agent: see the definitions Spec, Command and Event."
	out, err := json.MarshalIndent(s, "", "  ")
	return append(out, '\n'), err
}

// add gives the definition of a line a field for the object of a kind.
func add(all jsonschema.Definitions, line, kind string, object *jsonschema.Schema) error {
	for name, definition := range object.Definitions {
		if _, taken := all[name]; taken {
			return fmt.Errorf("two objects have the name %s: give the one of the kind %s another", name, kind)
		}
		all[name] = definition
	}
	all[line].Properties.Set(kind, &jsonschema.Schema{Ref: object.Ref})
	return nil
}
