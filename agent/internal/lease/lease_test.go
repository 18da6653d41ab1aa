package lease

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"chaosgo/agent/internal/spec"
)

// memory is a kind of work that only remembers what it was asked to hold.
type memory struct {
	armed  map[string]bool
	closed bool
	refuse error
	drain  time.Duration // what passes through takes so long to end
}

func (m *memory) Arm(s *spec.Spec) (*spec.Armed, error) {
	if m.refuse != nil {
		return nil, m.refuse
	}
	m.armed[s.ID] = true
	return &spec.Armed{}, nil
}
func (m *memory) Disarm(id string)               { delete(m.armed, id) }
func (m *memory) Report(_ string, e *spec.Event) { e.HTTP = &spec.HTTPTotals{Seen: 1} }
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
	Register(spec.KindHTTP, func(func(spec.Event)) Work { return s.work })
	stdin, in := io.Pipe()
	out, stdout := io.Pipe()
	s.in = in
	go func() {
		s.code <- Run(Options{In: stdin, Out: stdout, Signals: s.signals, Kinds: []string{spec.KindHTTP}})
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
	return fmt.Sprintf(`{"version":1,"id":%q,"kind":"http","duration_s":%g,"lease_s":%g,`+
		`"http":{"port":80,"percentage":1,"abort":{"status":503}}}`, id, durationS, leaseS)
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
		{"a load where faults are held", `{"version":1,"id":"x","kind":"load","duration_s":1,"load":{"url":"http://a/","rate_rps":1}}`, nil, spec.ExitBadSpec},
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
		Register(spec.KindHTTP, func(func(spec.Event)) Work { return work })
		stdin, in := io.Pipe()
		unread, stdout := io.Pipe()
		code := make(chan int)
		go func() { code <- Run(Options{In: stdin, Out: stdout, Kinds: []string{spec.KindHTTP}}) }()
		fmt.Fprintln(in, fault("a", 60, 5))
		if got := <-code; got != spec.ExitLease || len(work.armed) > 0 {
			t.Errorf("exit code %d, armed %v", got, work.armed)
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
	Register(spec.KindHTTP, func(func(spec.Event)) Work { return work })
	in := strings.NewReader(`{"version":1,"id":"a","kind":"http","duration_s":9,"http":{"port":1,"percentage":1,"abort":{"status":500}}}`)
	var out bytes.Buffer
	code := Run(Options{In: in, Out: &out, Kinds: []string{spec.KindHTTP},
		Confine: func(*spec.Spec) error { return errors.New("no such call") }})
	if code != spec.ExitCannotRun || len(work.armed) > 0 || !work.closed || !strings.Contains(out.String(), "no such call") {
		t.Errorf("code %d, %+v, said %s", code, work, &out)
	}
}
