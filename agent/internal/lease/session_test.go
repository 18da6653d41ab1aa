package lease

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"testing"
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
	drain  time.Duration // how long the connections that pass through take to end
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
