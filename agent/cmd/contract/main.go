// Command contract writes contract/schema.json from the structs of internal/spec, or with -check
// fails when the file in the repository says something else.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"github.com/invopop/jsonschema"

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

// schema puts the three kinds of line into one document with shared definitions.
func schema() ([]byte, error) {
	type lines struct {
		Spec    *spec.Spec    `json:"spec"`
		Command *spec.Command `json:"command"`
		Event   *spec.Event   `json:"event"`
	}
	reflector := jsonschema.Reflector{Anonymous: true, ExpandedStruct: true}
	s := reflector.Reflect(&lines{})
	s.Title = "chaos-agent wire, protocol 1"
	s.Description = "Lines between control plane and agent: see the definitions Spec, Command and Event."
	out, err := json.MarshalIndent(s, "", "  ")
	return append(out, '\n'), err
}
