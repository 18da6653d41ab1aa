package kinds

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"chaosgo/agent/internal/spec"
)

const contract = "../../../contract/"

func files(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(contract + pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no contract files %s: %v", pattern, err)
	}
	return names
}

func content(t *testing.T, name string) []byte {
	t.Helper()
	line, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// sameJSON also finds a field that an example has and the struct lost on the way, or the reverse.
func sameJSON(t *testing.T, want []byte, got any) {
	t.Helper()
	line, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if json.Unmarshal(want, &a) != nil || json.Unmarshal(line, &b) != nil {
		t.Fatalf("not JSON: %s / %s", want, line)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("the example says\n%s\nthe struct says\n%s", want, line)
	}
}

func TestExamplesRoundTrip(t *testing.T) {
	for _, name := range files(t, "examples/*.json") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			line := content(t, name)
			var into any
			switch kind, _, _ := strings.Cut(filepath.Base(name), "-"); kind {
			case "spec":
				into = &spec.Spec{}
			case "command":
				into = &spec.Command{}
			case "event":
				into = &spec.Event{}
			default:
				t.Fatalf("an example is named spec-, command- or event-, not %s", kind)
			}
			if err := json.Unmarshal(line, into); err != nil {
				t.Fatal(err)
			}
			sameJSON(t, line, into)
		})
	}
}

func TestExamplesAreAccepted(t *testing.T) {
	for _, name := range files(t, "examples/spec-*.json") {
		if _, err := spec.DecodeSpec(content(t, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range files(t, "examples/command-*.json") {
		if _, err := spec.DecodeCommand(content(t, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryKindHasAnExample(t *testing.T) {
	for _, k := range spec.Kinds() {
		files(t, "examples/spec-"+k.Name+"*.json")
		files(t, "examples/event-*-"+k.Name+".json")
	}
}

func TestRefusedNamesTheField(t *testing.T) {
	for _, name := range files(t, "refused/*.json") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			var refused struct {
				Field string
				Line  json.RawMessage
			}
			if err := json.Unmarshal(content(t, name), &refused); err != nil {
				t.Fatal(err)
			}
			_, err := spec.DecodeSpec(refused.Line)
			var problem *spec.Problem
			if !errors.As(err, &problem) {
				t.Fatalf("accepted, or no Problem: %v", err)
			}
			if problem.Field != refused.Field || problem.Fix == "" || problem.Exit != spec.ExitBadSpec {
				t.Errorf("got %+v, want the field %q, a fix and exit %d", problem, refused.Field, spec.ExitBadSpec)
			}
		})
	}
}

// A spec that was accepted is accepted again in the form in which this agent would write it.
func FuzzDecodeSpec(f *testing.F) {
	for _, pattern := range []string{"examples/spec-*.json", "refused/*.json"} {
		names, err := filepath.Glob(contract + pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range names {
			line, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(line)
		}
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		s, err := spec.DecodeSpec(line)
		if err != nil {
			return
		}
		again, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := spec.DecodeSpec(again); err != nil {
			t.Errorf("accepted %s but not its own form %s: %v", line, again, err)
		}
	})
}
