package spec

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// null is a kind that does nothing.
type null struct {
	Level   float64           `json:"level,omitempty"`
	Seed    uint64            `json:"seed,omitempty"`
	Deep    *deep             `json:"deep,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
}

type deep struct {
	Count int    `json:"count"`
	On    bool   `json:"on"`
	Text  string `json:"text"`
	List  []int  `json:"list"`
}

func (n *null) Validate(s *Spec) error { return nil }

type nullTotals struct {
	Seen   uint64         `json:"seen"`
	Counts map[int]uint64 `json:"counts,omitempty"`
}

func init() {
	for _, name := range []string{"null", "other"} {
		RegisterKind(Kind{Name: name, Fault: name == "null",
			Detail: func() Detail { return &null{} }, Totals: func() any { return &nullTotals{} }})
	}
}

// line gives a spec of the null kind; fields are added to it and replace what is there.
func line(fields string) []byte {
	all := map[string]json.RawMessage{}
	for _, text := range []string{`{"version":2,"id":"x","kind":"null","duration_s":1,"null":{}}`, "{" + fields + "}"} {
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			panic(fmt.Sprintf("%s: %v", text, err))
		}
	}
	out, _ := json.Marshal(all)
	return out
}

func TestRefusalsNameFieldValueAndFix(t *testing.T) {
	for _, c := range []struct{ fields, field, value, fix string }{
		{`"null":{"levle":3}`, "null.levle", "3", "known are level, seed, deep, headers"},
		{`"null":{"Level":3}`, "null.Level", "3", "known are"},
		{`"null":{"levle":"secret"}`, "null.levle", "(a text, 6 bytes)", "known are"},
		{`"nul":{}`, "nul", "(an object)", "known are version, id, kind"},
		{`"null":{"level":"3 %"}`, "null.level", "3 %", "give a number, without quotes"},
		{`"null":{"level":null}`, "null.level", "null", "leave the field out"},
		{`"null":{"level":1e400}`, "null.level", "1e400", "give a number"},
		{`"null":{"seed":1180591620717411303424}`, "null.seed", "1180591620717411303424", "18446744073709551615"},
		{`"null":{"seed":-1}`, "null.seed", "-1", "from 0"},
		{`"null":{"deep":{"count":1.5}}`, "null.deep.count", "1.5", "whole number"},
		{`"null":{"deep":{"on":"yes"}}`, "null.deep.on", "yes", "true or false"},
		{`"null":{"deep":{"text":12}}`, "null.deep.text", "12", "give a text"},
		{`"null":{"deep":{"text":["secret"]}}`, "null.deep.text", "(a list)", "give a text"},
		{`"null":{"deep":{"list":"secret"}}`, "null.deep.list", "(a text, 6 bytes)", "give a list"},
		{`"null":{"deep":"secret"}`, "null.deep", "(a text, 6 bytes)", "give an object"},
		{`"null":{"headers":{"x-a":{"b":"secret"}}}`, "null.headers.x-a", "(an object)", "give a text"},
		{`"null":{"headers":{"x-a":null}}`, "null.headers.x-a", "null", "leave the field out"},
		{`"null":[]`, "null", "(a list)", "give an object"},
		{`"other":{}`, "other", "", "give only the object null"},
		{`"kind":"other"`, "null", "", "give only the object other"},
		{`"kind":"disk"`, "kind", "disk", "use null or other"},
		{`"kind":7`, "kind", "7", "give a text"},
		{`"version":1,"null":{"port":3}`, "version", "1", "protocol 2"},
		{`"duration_s":3601`, "duration_s", "3601", "at most 3600 seconds"},
		{`"lease_s":0.5`, "lease_s", "0.5", "give 1 to 60 seconds"},
		{`"id":""`, "id", "", "1 to 100 bytes"},
		{`"id":"` + strings.Repeat("x", 300) + `"`, "id", strings.Repeat("x", 120) + "... (300 bytes)", "1 to 100 bytes"},
		{`"id":"` + strings.Repeat("é", 51) + `"`, "id", strings.Repeat("é", 51), "1 to 100 bytes"},
		{`"id":"a\u001b[31m"`, "id", "a\x1b[31m", "printable"},
	} {
		_, err := DecodeSpec(line(c.fields))
		refused(t, c.fields, err, c.field, c.value, c.fix)
	}
}

func TestALineIsOneObject(t *testing.T) {
	for text, want := range map[string]string{
		`not JSON`: "(8 bytes)", ``: "(0 bytes)", `{"id":"secret`: "(13 bytes)",
		string(line(``)) + `{}`: fmt.Sprintf("(%d bytes)", len(line(``))+2),
		`[]`:                    "(a list)", `3`: "3", `null`: "null",
	} {
		_, err := DecodeSpec([]byte(text))
		refused(t, text, err, "line", want, "object")
	}
	_, err := DecodeSpec([]byte(`{"version":2,"id":"x","id":"y","kind":"null","duration_s":1,"null":{}}`))
	refused(t, "twice", err, "id", "(a text, 1 bytes)", "give it once")
	_, err = DecodeSpec([]byte(`{"version":2,"id":"x","kind":"null","duration_s":1}`))
	refused(t, "missing", err, "null", "", "named like the kind")
}

func refused(t *testing.T, what string, err error, field, value, fix string) {
	t.Helper()
	var p *Problem
	if !errors.As(err, &p) || p.Field != field || p.Value != value || !strings.Contains(p.Fix, fix) || p.Exit != ExitBadSpec {
		t.Errorf("%s:\ngot  %+v\nwant %s=%s: ...; ...%s...", what, err, field, value, fix)
	}
}

func TestARefusedSpecStillTellsItsID(t *testing.T) {
	for fields, want := range map[string]string{
		`"duration_s":-1`: "x", `"null":{"levle":3}`: "x", `"version":1`: "x", `"id":"a\nb"`: "", `"id":3`: "",
	} {
		if s, err := DecodeSpec(line(fields)); err == nil || s.ID != want {
			t.Errorf("%s: got the id %q, %v", fields, s.ID, err)
		}
	}
}

func TestDefaultsAreFilledIn(t *testing.T) {
	s, err := DecodeSpec(line(``))
	if err != nil || s.LeaseS != DefaultLeaseS {
		t.Errorf("got %+v, %v", s, err)
	}
	if _, err := DecodeSpec(line(`"id":"` + strings.Repeat("é", 50) + `"`)); err != nil {
		t.Errorf("an id of 100 bytes: %v", err)
	}
}

func TestObjectsOfAKindAreUnderItsName(t *testing.T) {
	want := `{"event":"stats","id":"x","at_unix_s":1,"null":{"seen":2,"counts":{"7":3}}}`
	var e Event
	if err := json.Unmarshal([]byte(want), &e); err != nil {
		t.Fatal(err)
	}
	if e.Kind != "null" || e.Totals.(*nullTotals).Counts[7] != 3 {
		t.Errorf("read %+v", e)
	}
	if got, err := json.Marshal(e); err != nil || string(got) != want {
		t.Errorf("wrote %s, %v", got, err)
	}
	bad := strings.Replace(want, `"7"`, `""`, 1)
	if err := json.Unmarshal([]byte(bad), &e); err == nil {
		t.Errorf("accepted %s", bad)
	}
}

func TestKindsAreListedByWhatTheyDo(t *testing.T) {
	if faults, others := KindNames(true), KindNames(false); fmt.Sprint(faults, others) != "[null] [other]" {
		t.Errorf("faults %v, others %v", faults, others)
	}
}

func TestANameOfAKindIsTakenOnce(t *testing.T) {
	for _, name := range []string{"null", "way", "error", "at_unix_s", ""} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("the name %q was accepted", name)
				}
			}()
			RegisterKind(Kind{Name: name})
		}()
	}
}
