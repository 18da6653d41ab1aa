package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
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

func read(t *testing.T, name string) []byte {
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
			line := read(t, name)
			var into any
			switch kind, _, _ := strings.Cut(filepath.Base(name), "-"); kind {
			case "spec":
				into = &Spec{}
			case "command":
				into = &Command{}
			case "event":
				into = &Event{}
			default:
				t.Fatalf("an example is named spec-, command- or event-, not %s", kind)
			}
			if err := decode(line, into); err != nil {
				t.Fatal(err)
			}
			sameJSON(t, line, into)
		})
	}
}

func TestExamplesAreAccepted(t *testing.T) {
	for _, name := range files(t, "examples/spec-*.json") {
		if _, err := DecodeSpec(read(t, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range files(t, "examples/command-*.json") {
		if _, err := DecodeCommand(read(t, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefusedNamesTheField(t *testing.T) {
	for _, name := range files(t, "refused/*.json") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			var refused struct {
				Field string
				Line  json.RawMessage
			}
			if err := json.Unmarshal(read(t, name), &refused); err != nil {
				t.Fatal(err)
			}
			_, err := DecodeSpec(refused.Line)
			var problem *Problem
			if !errors.As(err, &problem) {
				t.Fatalf("accepted, or no Problem: %v", err)
			}
			if problem.Field != refused.Field || problem.Fix == "" || problem.Exit != ExitBadSpec {
				t.Errorf("got %+v, want the field %q, a fix and exit %d", problem, refused.Field, ExitBadSpec)
			}
		})
	}
}

func TestNothingMayFollowTheObject(t *testing.T) {
	line := read(t, contract+"examples/spec-load.json")
	if _, err := DecodeSpec(append(bytes.TrimSpace(line), "{}"...)); err == nil {
		t.Error("a second object on the line was accepted")
	}
}

func TestDefaultsAreFilledIn(t *testing.T) {
	s, err := DecodeSpec([]byte(`{"version":1,"id":"x","kind":"load","duration_s":1,"load":{"url":"http://127.0.0.1/","rate_rps":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	if s.LeaseS != DefaultLeaseS || s.Load.Method != "GET" || s.Load.TimeoutMS != 2000 {
		t.Errorf("got lease %g, method %q, timeout %g", s.LeaseS, s.Load.Method, s.Load.TimeoutMS)
	}
}

func FuzzDecodeSpec(f *testing.F) {
	f.Add([]byte(`{"version":1,"id":"x","kind":"http","duration_s":1,"http":{"port":80,"percentage":1,"abort":{"status":503}}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		s, err := DecodeSpec(line)
		if err != nil {
			return
		}
		again, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeSpec(again); err != nil {
			t.Errorf("accepted %s but not its own form %s: %v", line, again, err)
		}
	})
}
