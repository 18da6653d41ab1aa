package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	_ "chaosgo/agent/internal/kinds"
	"chaosgo/agent/internal/spec"
)

const (
	goodFault = `{"version":2,"id":"users-503","kind":"http","duration_s":60,"way":{"port":1},"http":{"percentage":30,"abort":{"status":503}}}`
	goodLoad  = `{"version":2,"id":"checkout","kind":"load","duration_s":60,"load":{"url":"http://no.such.invalid/","rate_rps":1}}`
)

// judgeLines gives the answers to some lines.
func judgeLines(t *testing.T, input string) []spec.Event {
	t.Helper()
	var out, human bytes.Buffer
	if code := Run([]string{"judge"}, strings.NewReader(input), &out, &human); code != spec.ExitClean || human.Len() > 0 {
		t.Errorf("exit %d, said %s", code, &human)
	}
	var events []spec.Event
	for d := json.NewDecoder(&out); d.More(); {
		var e spec.Event
		if err := d.Decode(&e); err != nil {
			t.Fatal(err)
		}
		if e.Event != spec.EventJudged || e.AtUnixS == 0 {
			t.Errorf("got %+v", e)
		}
		events = append(events, e)
	}
	return events
}

func TestJudgeAnswersEveryLineInOrder(t *testing.T) {
	long := strings.Replace(goodFault, "503}", `503,"body":"`+strings.Repeat("x", 3*spec.MaxLine)+`"}`, 1)
	lines := []struct{ line, id, field string }{
		{goodFault, "users-503", ""},
		{strings.Replace(goodFault, "503}", "9999}", 1), "users-503", "http.abort.status"},
		{"", "", "line"},
		{long, "", "line"},
		{goodLoad, "checkout", ""},
		{"not JSON", "", "line"},
		{strings.Replace(goodLoad, "rate_rps", "rate", 1), "checkout", "load.rate"},
		{strings.Repeat("[", 100_000), "", "line"},
		{long, "", "line"},
		{goodFault, "users-503", ""}, // without a line break behind it
	}
	var input []string
	for _, l := range lines {
		input = append(input, l.line)
	}
	events := judgeLines(t, strings.Join(input, "\n"))
	if len(events) != len(lines) {
		t.Fatalf("%d answers to %d lines", len(events), len(lines))
	}
	for i, want := range lines {
		e, field := events[i], ""
		if len(e.Problems) > 0 {
			field = e.Problems[0].Field
		}
		if e.ID != want.id || field != want.field {
			t.Errorf("line %d: got the id %q, %+v; want %q, the field %q", i, e.ID, e.Problems, want.id, want.field)
		}
	}
}

func TestJudgeTellsEverythingThatIsWrongWithASpec(t *testing.T) {
	line := `{"version":2,"id":"x","kind":"http","duration_s":9999,"way":{"port":99999},"http":{"percentage":300,` +
		`"match":{"path":"(","method":"get"},"abort":{"status":9999,"headers":{"Connection":"close"}}}}`
	var fields []string
	for _, p := range judgeLines(t, line)[0].Problems {
		fields = append(fields, p.Field)
	}
	want := "duration_s way.port http.percentage http.match.path http.match.method http.abort.status http.abort.headers"
	if got := strings.Join(fields, " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestJudgeOfNothingSaysNothing(t *testing.T) {
	if events := judgeLines(t, ""); len(events) != 0 {
		t.Errorf("got %+v", events)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error)  { return 0, errors.New("input is gone") }
func (broken) Write([]byte) (int, error) { return 0, errors.New("output is gone") }

func TestJudgeTellsWhyItStopped(t *testing.T) {
	var human bytes.Buffer
	if code := Run([]string{"judge"}, broken{}, &bytes.Buffer{}, &human); code != spec.ExitCannotRun {
		t.Errorf("exit %d", code)
	}
	if code := Run([]string{"judge"}, strings.NewReader(goodFault), broken{}, &human); code != spec.ExitCannotRun {
		t.Errorf("exit %d", code)
	}
	if said := human.String(); !strings.Contains(said, "input is gone") || !strings.Contains(said, "output is gone") {
		t.Errorf("said %s", said)
	}
}
