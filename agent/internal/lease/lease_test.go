package lease

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"chaosgo/agent/internal/confine"
	"chaosgo/agent/internal/spec"
)

// asked is what the kinds of these tests ask for.
type asked struct{}

func (*asked) Validate(*spec.Spec) error { return nil }

type counted struct {
	Seen int `json:"seen"`
}

// current is the work that the next agent holds.
var current *memory

func init() {
	for _, kind := range []string{"memory", "other", "third"} {
		Register(spec.Kind{Name: kind, Fault: true, Detail: func() spec.Detail { return &asked{} },
			Totals: func() any { return &counted{} }}, func(emit func(spec.Event)) Work {
			current.emit = emit
			return current
		})
	}
}

// memory is a kind of work that only remembers what it was asked to hold.
type memory struct {
	armed  map[string]bool
	closed bool
	refuse error
	drain  time.Duration // what passes through takes so long to end
	quiet  bool          // nothing is worth a stats event
	needs  confine.Needs
	emit   func(spec.Event)
	talks  int // how many stats it emits of its own when it is armed
}

func (m *memory) Arm(s *spec.Spec) (*spec.Armed, error) {
	if m.refuse != nil {
		return nil, m.refuse
	}
	m.armed[s.ID] = true
	for range m.talks {
		m.emit(spec.Event{Event: spec.EventStats, ID: s.ID, Totals: &counted{}})
	}
	return &spec.Armed{}, nil
}
func (m *memory) Disarm(id string) { delete(m.armed, id) }
func (m *memory) Report(_ string, ended bool) any {
	if m.quiet && !ended {
		return nil
	}
	return &counted{Seen: 1}
}
func (m *memory) Needs(*spec.Spec) confine.Needs { return m.needs }
func (m *memory) Close(hurry <-chan struct{}) {
	select {
	case <-hurry:
	case <-time.After(m.drain):
	}
	m.closed = true
}

// session is one run of the lease with its two pipes, as the control plane sees it.
type session struct {
	t       *testing.T
	work    *memory
	in      *io.PipeWriter
	signals chan os.Signal
	events  chan spec.Event
	code    chan int
}

func start(t *testing.T) *session {
	t.Helper()
	s := &session{t: t, work: &memory{armed: map[string]bool{}}, signals: make(chan os.Signal, 1),
		events: make(chan spec.Event, 100), code: make(chan int, 1)}
	current = s.work
	stdin, in := io.Pipe()
	out, stdout := io.Pipe()
	s.in = in
	go func() {
		s.code <- Run(Options{In: stdin, Out: stdout, Signals: s.signals, Kinds: []string{"memory", "other"}})
		stdout.Close()
		stdin.CloseWithError(io.ErrClosedPipe) // the process is gone, and its end of the pipe too
	}()
	go func() {
		defer close(s.events)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var e spec.Event
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				t.Errorf("not an event: %s", lines.Text())
			}
			s.events <- e
		}
	}()
	return s
}

func (s *session) send(line string) {
	s.t.Helper()
	if _, err := fmt.Fprintln(s.in, line); err != nil {
		s.t.Fatalf("the agent does not read any more: %v", err)
	}
}

// expect skips stats and checks the next other event.
func (s *session) expect(event, id, reason string) spec.Event {
	s.t.Helper()
	for e := range s.events {
		if e.Event == spec.EventStats {
			continue
		}
		if e.Event != event || e.ID != id || e.Reason != reason {
			s.t.Fatalf("got %s %q %q, want %s %q %q", e.Event, e.ID, e.Reason, event, id, reason)
		}
		return e
	}
	s.t.Fatalf("the agent ended before %s %q", event, id)
	return spec.Event{}
}

func (s *session) exits(want int) {
	s.t.Helper()
	if code := <-s.code; code != want {
		s.t.Errorf("exit code %d, want %d", code, want)
	}
	if len(s.work.armed) > 0 {
		s.t.Errorf("still armed at the end: %v", s.work.armed)
	}
	s.in.Close()
}

func fault(id string, durationS, leaseS float64) string {
	return fmt.Sprintf(`{"version":2,"id":%q,"kind":"memory","duration_s":%g,"lease_s":%g,"memory":{}}`, id, durationS, leaseS)
}

func TestStopEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		s.send(fault("a", 60, 10))
		s.expect("armed", "a", "")
		s.send(`{"command":"add","spec":` + fault("b", 60, 10) + `}`)
		s.expect("armed", "b", "")
		s.send(`{"command":"stop"}`)
		s.expect("disarmed", "a", "stop")
		s.expect("disarmed", "b", "stop")
		s.exits(spec.ExitClean)
		if !s.work.closed {
			t.Error("the work was not closed")
		}
	})
}

func TestEachFaultHasItsOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		s := start(t)
		s.send(fault("long", 8, 10))
		s.expect("armed", "long", "")
		s.send(`{"command":"add","spec":` + fault("short", 3, 10) + `}`)
		s.expect("armed", "short", "")
		s.expect("disarmed", "short", "deadline")
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("the short one took %v", took)
		}
		s.expect("disarmed", "long", "deadline")
		if took := time.Since(begin); took != 8*time.Second {
			t.Errorf("the long one took %v", took)
		}
		s.exits(spec.ExitClean)
	})
}

func TestSilenceLosesTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		s := start(t)
		s.send(fault("a", 60, 2))
		s.expect("armed", "a", "")
		for range 3 {
			time.Sleep(1500 * time.Millisecond)
			s.send(`{"command":"heartbeat"}`)
		}
		s.expect("disarmed", "a", "lease")
		if took := time.Since(begin); took != 6500*time.Millisecond {
			t.Errorf("ended after %v, want 2 s after the last of the heartbeats", took)
		}
		s.exits(spec.ExitLease)
	})
}

func TestEndOfInputLosesTheLeaseAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		s := start(t)
		s.send(fault("a", 60, 10))
		s.expect("armed", "a", "")
		s.in.Close()
		s.expect("disarmed", "a", "lease")
		s.exits(spec.ExitLease)
		if took := time.Since(begin); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}

func TestSignalEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		s.send(fault("a", 60, 10))
		s.expect("armed", "a", "")
		s.signals <- syscall.SIGTERM
		s.expect("disarmed", "a", "signal")
		s.exits(spec.ExitClean)
	})
}

func TestRemoveEndsOneFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		s.send(fault("a", 60, 10))
		s.expect("armed", "a", "")
		s.send(`{"command":"add","spec":` + fault("b", 60, 10) + `}`)
		s.expect("armed", "b", "")
		s.send(`{"command":"remove","id":"a"}`)
		s.expect("disarmed", "a", "stop")
		if !s.work.armed["b"] {
			t.Error("b was removed too")
		}
		s.send(`{"command":"remove","id":"a"}`)
		s.expect("error", "a", "")
		s.send(`{"command":"remove","id":"b"}`)
		s.expect("disarmed", "b", "stop")
		s.exits(spec.ExitClean)
	})
}

// Confinement is one-way and the objects differ, so that kinds share no process.
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

// What is confined stays so: only the first fault is asked, and only once it is armed.
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

func TestBadCommandsChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		s.send(fault("a", 60, 10))
		s.expect("armed", "a", "")
		s.send(`{"command":"explode"}`)
		if p := s.expect("error", "", "").Problem; p.Field != "command" || p.Value != "explode" {
			t.Errorf("got %+v", p)
		}
		s.send(`{"command":"add","spec":` + fault("a", 60, 10) + `}`)
		s.expect("error", "a", "")
		s.send(`not JSON`)
		s.expect("error", "", "")
		if !s.work.armed["a"] {
			t.Error("the fault was lost")
		}
		s.send(`{"command":"stop"}`)
		s.expect("disarmed", "a", "stop")
		s.exits(spec.ExitClean)
	})
}

func TestRefusalsExitWithTheirCode(t *testing.T) {
	for _, c := range []struct {
		name, line string
		refuse     error
		want       int
	}{
		{"bad spec", `{"version":9}`, nil, spec.ExitBadSpec},
		{"a kind that the sub-command does not take", `{"version":2,"id":"x","kind":"third","duration_s":1,"third":{}}`, nil, spec.ExitBadSpec},
		{"the place does not allow it", fault("x", 1, 1), spec.CannotRun("no nft", "load it"), spec.ExitCannotRun},
		{"any other error", fault("x", 1, 1), io.ErrNoProgress, spec.ExitCannotRun},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t)
				s.work.refuse = c.refuse
				s.send(c.line)
				if e := <-s.events; e.Event != "error" || e.Problem.Fix == "" {
					t.Errorf("got %+v", e)
				}
				s.exits(c.want)
			})
		})
	}
}

func TestNoSpecInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		s.expect("error", "", "")
		s.exits(spec.ExitBadSpec)
	})
}

// A control plane that hangs does not read its pipe either: that must not keep the fault alive.
func TestReaderThatHangsDoesNotHoldTheFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		work := &memory{armed: map[string]bool{}}
		current = work
		stdin, in := io.Pipe()
		unread, stdout := io.Pipe()
		code := make(chan int)
		go func() { code <- Run(Options{In: stdin, Out: stdout, Kinds: []string{"memory", "other"}}) }()
		fmt.Fprintln(in, fault("a", 60, 5))
		if got := <-code; got != spec.ExitLease || len(work.armed) > 0 {
			t.Errorf("exit code %d, armed %v", got, work.armed)
		}
		in.Close()
		unread.Close()
	})
}

// More events than any queue holds, for a reader that hangs: the lease still ends in time.
func TestEventsThatNobodyReadsDelayNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		current = &memory{armed: map[string]bool{}, talks: 100_000}
		stdin, in := io.Pipe()
		unread, stdout := io.Pipe()
		begin := time.Now()
		code := make(chan int)
		go func() { code <- Run(Options{In: stdin, Out: stdout, Kinds: []string{"memory"}}) }()
		fmt.Fprintln(in, fault("a", 60, 5))
		if got := <-code; got != spec.ExitLease || len(current.armed) > 0 {
			t.Errorf("exit code %d, armed %v", got, current.armed)
		}
		if took := time.Since(begin); took != 5*time.Second+patience {
			t.Errorf("took %v", took)
		}
		in.Close()
		unread.Close()
	})
}

func TestWhatPassesMayEndUnlessItIsHurried(t *testing.T) {
	for _, c := range []struct {
		name        string
		first, then os.Signal
		want        time.Duration
	}{
		{"stop", nil, nil, time.Minute},
		{"stop, then a signal", nil, syscall.SIGTERM, 10 * time.Second},
		{"signal", syscall.SIGTERM, nil, hurriedTime},
		{"two signals", syscall.SIGTERM, syscall.SIGTERM, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t)
				s.work.drain = time.Minute
				s.send(fault("x", 60, 10))
				s.expect("armed", "x", "")
				reason := "stop"
				if c.first != nil {
					reason = "signal"
					s.signals <- c.first
				} else {
					s.send(`{"command":"stop"}`)
				}
				s.expect("disarmed", "x", reason)
				ended := time.Now()
				if c.then != nil {
					time.Sleep(min(c.want, 10*time.Second))
					s.signals <- c.then
				}
				s.exits(spec.ExitClean)
				if took := time.Since(ended); took != c.want || !s.work.closed {
					t.Errorf("the process lived for %v, want %v; closed: %v", took, c.want, s.work.closed)
				}
			})
		})
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
