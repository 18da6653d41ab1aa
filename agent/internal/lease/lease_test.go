package lease

import (
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
		s.send(`{"command":"add","spec":` + strings.Replace(fault("b", 60, 10), "60", `"60"`, 1) + `}`)
		if p := s.expect("error", "b", "").Problem; p.Field != "duration_s" {
			t.Errorf("got %+v", p)
		}
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

// A control plane that hangs does not read its pipe. That must not keep the fault alive.
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

// There are more events than the queue holds, and nobody reads them. The lease still ends in time.
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
