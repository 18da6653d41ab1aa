package lease

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"chaosgo/agent/internal/confine"
	"chaosgo/agent/internal/spec"
)

// Confinement cannot be taken back, so that two kinds never share a process.
func TestAnotherKindNeedsAnotherAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		s.send(fault("a", 60, 10))
		s.expect("armed", "a", "")
		s.send(`{"command":"add","spec":` + strings.ReplaceAll(fault("b", 60, 10), "memory", "other") + `}`)
		p := s.expect("error", "b", "").Problem
		if p.Field != "kind" || p.Value != "other" || !strings.Contains(p.Message, "memory") || p.Fix != "start another agent for it" {
			t.Errorf("got %+v", p)
		}
		if !s.work.armed["a"] || s.work.armed["b"] {
			t.Errorf("armed are %v", s.work.armed)
		}
		s.send(`{"command":"stop"}`)
		s.expect("disarmed", "a", "stop")
		s.exits(spec.ExitClean)
	})
}

func TestOnlyWorkThatHasTotalsGivesStats(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := start(t)
			s.work.quiet = quiet
			s.send(fault("a", 3.5, 10))
			s.expect("armed", "a", "")
			stats := 0
			for e := range s.events {
				if e.Totals.(*counted).Seen != 1 || e.Kind != "memory" {
					t.Errorf("got %+v", e)
				}
				if e.Event == spec.EventStats {
					stats++
				}
			}
			if want := map[bool]int{false: 3, true: 0}[quiet]; stats != want {
				t.Errorf("%d stats in 3.5 s, want %d", stats, want)
			}
			s.exits(spec.ExitClean)
		})
	}
}

// The process is confined once: after the first fault is armed, to what that fault needs.
func TestConfinedToWhatTheWorkNeeds(t *testing.T) {
	work := &memory{armed: map[string]bool{}, needs: confine.Needs{Capabilities: confine.Steering, Calls: []string{"mount"}}}
	current = work
	var got []confine.Needs
	in := strings.NewReader(fault("a", 9, 9) + "\n" + `{"command":"add","spec":` + fault("b", 9, 9) + "}\n")
	Run(Options{In: in, Out: io.Discard, Kinds: []string{"memory"}, Confine: func(n confine.Needs) error {
		if !work.armed["a"] {
			t.Error("confined before it was armed")
		}
		got = append(got, n)
		return nil
	}})
	if !reflect.DeepEqual(got, []confine.Needs{work.needs}) {
		t.Errorf("confined to %+v, want once to %+v", got, work.needs)
	}
}

func TestNothingIsLeftOfAnAgentThatCannotBeConfined(t *testing.T) {
	work := &memory{armed: map[string]bool{}}
	current = work
	in := strings.NewReader(fault("a", 9, 9))
	var out bytes.Buffer
	code := Run(Options{In: in, Out: &out, Kinds: []string{"memory", "other"},
		Confine: func(confine.Needs) error { return errors.New("no such call") }})
	if code != spec.ExitCannotRun || len(work.armed) > 0 || !work.closed || !strings.Contains(out.String(), "no such call") {
		t.Errorf("code %d, %+v, said %s", code, work, &out)
	}
}
