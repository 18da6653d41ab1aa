// Package lease keeps faults in place until the first of: a stop, their deadline, a signal, or a silence
// of the control plane that is longer than the lease.
package lease

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"chaosgo/agent/internal/confine"
	"chaosgo/agent/internal/spec"
	"chaosgo/agent/internal/watchdog"
)

// Options are what one lease needs from its caller.
type Options struct {
	In      io.Reader
	Out     io.Writer
	Signals <-chan os.Signal
	// Kinds that this sub-command takes.
	Kinds []string
	// Confine, if set, is called once the first spec is armed. It takes from the process what it does not
	// need any more.
	Confine func(confine.Needs) error
}

// Run reads the first spec, arms it, obeys the commands that follow and returns the exit code of
// the process once nothing is left.
func Run(o Options) int {
	l := &lease{out: newWriter(o.Out), lines: readLines(o.In), signals: o.Signals, kinds: o.Kinds, confine: o.Confine}
	defer l.out.close()
	first, err := l.first()
	if err == nil {
		err = l.open(first)
	}
	if err != nil {
		return l.refuse(first, err)
	}
	code := l.hold()
	l.finish()
	return code
}

type lease struct {
	out     *writer
	lines   <-chan []byte
	signals <-chan os.Signal
	kinds   []string
	confine func(confine.Needs) error
	kind    string // this process holds no other, because confinement cannot be taken back
	work    Work
	held    []held // in the order in which they were armed
	// silence is how long the control plane may say nothing.
	silence time.Duration
	// hurried tells that a signal ended the lease, or that it could not begin.
	hurried bool
}

// hurriedTime is how long after a signal the process may still live.
const hurriedTime = 2 * time.Second

type held struct {
	id       string
	deadline time.Time
}

// first waits for the spec, at most as long as a lease.
func (l *lease) first() (*spec.Spec, error) {
	select {
	case line, ok := <-l.lines:
		if !ok {
			return nil, spec.Bad("line", "", "no spec on standard input", "send one spec as the first line")
		}
		return spec.DecodeSpec(line)
	case <-l.signals:
		return nil, spec.CannotRun("ended by a signal before a spec came", "send a spec first")
	case <-time.After(seconds(spec.DefaultLeaseS)):
		return nil, spec.Bad("line", "", fmt.Sprintf("no spec came in %g s", spec.DefaultLeaseS),
			"send one spec as the first line")
	}
}

func (l *lease) open(first *spec.Spec) error {
	if !slices.Contains(l.kinds, first.Kind) {
		return spec.Bad("kind", first.Kind, "not what this sub-command does",
			"use "+strings.Join(l.kinds, " or ")+" here")
	}
	l.silence = seconds(first.LeaseS)
	l.kind = first.Kind
	l.work = openers[l.kind](l.emit)
	return l.arm(first)
}

func (l *lease) arm(s *spec.Spec) error {
	armed, err := l.work.Arm(s)
	if err != nil {
		return err
	}
	if l.confine != nil {
		if err := l.confine(l.work.Needs(s)); err != nil {
			l.work.Disarm(s.ID)
			l.hurried = true
			l.finish()
			return spec.CannotRun("the agent cannot give up its privileges: "+err.Error(), "run `chaos-agent check` there")
		}
		l.confine = nil
	}
	l.held = append(l.held, held{id: s.ID, deadline: time.Now().Add(seconds(s.DurationS))})
	armed.AgentVersion, armed.Protocol, armed.PID = spec.Version, spec.Protocol, watchdog.PID()
	if pid := os.Getpid(); pid != armed.PID {
		armed.WorkerPID = pid
	}
	l.emit(spec.Event{Event: spec.EventArmed, ID: s.ID, Armed: armed})
	return nil
}

// hold obeys commands, reports and ends faults until none is left. It returns the exit code.
func (l *lease) hold() int {
	silence := time.NewTimer(l.silence)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for len(l.held) > 0 {
		deadline := time.NewTimer(time.Until(l.nextDeadline()))
		select {
		case line, ok := <-l.lines:
			if !ok {
				l.endAll(spec.ReasonLease)
				return spec.ExitLease
			}
			silence.Reset(l.silence)
			l.obey(line)
		case <-silence.C:
			l.endAll(spec.ReasonLease)
			return spec.ExitLease
		case <-l.signals:
			l.hurried = true
			l.endAll(spec.ReasonSignal)
		case <-deadline.C:
			l.endDue(time.Now())
		case <-tick.C:
			l.report()
		}
		deadline.Stop()
	}
	return spec.ExitClean
}

// finish waits until the connections that passed through the faults have ended. No fault is applied to
// them meanwhile. A signal ends the wait.
func (l *lease) finish() {
	closed, hurry := make(chan struct{}), make(chan struct{})
	defer close(closed)
	var overdue <-chan time.Time
	if l.hurried {
		overdue = time.After(hurriedTime)
	}
	go func() {
		defer close(hurry)
		select {
		case <-closed:
		case <-l.signals:
		case <-overdue:
		}
	}()
	l.work.Close(hurry)
}

func (l *lease) nextDeadline() time.Time {
	return slices.MinFunc(l.held, func(a, b held) int { return a.deadline.Compare(b.deadline) }).deadline
}

func (l *lease) obey(line []byte) {
	c, err := spec.DecodeCommand(line)
	if err != nil {
		l.complain(c, err)
		return
	}
	switch c.Command {
	case spec.Add:
		if err := l.add(c.Spec); err != nil {
			l.complain(c, err)
		}
	case spec.Remove:
		if !l.holds(c.ID) {
			l.complain(c, spec.Bad("id", c.ID, "no such fault here", "name one that is armed"))
			return
		}
		l.end(c.ID, spec.ReasonStop)
	case spec.Stop:
		l.endAll(spec.ReasonStop)
	}
}

func (l *lease) add(s *spec.Spec) error {
	if l.holds(s.ID) {
		return spec.Bad("id", s.ID, "a fault of this name is armed already", "give every fault its own name")
	}
	if s.Kind != l.kind {
		return spec.Bad("kind", s.Kind, "this agent holds faults of the kind "+l.kind, "start another agent for it")
	}
	return l.arm(s)
}

func (l *lease) holds(id string) bool {
	return slices.ContainsFunc(l.held, func(h held) bool { return h.id == id })
}

func (l *lease) endAll(reason string) {
	for len(l.held) > 0 {
		l.end(l.held[0].id, reason)
	}
}

func (l *lease) endDue(now time.Time) {
	for _, h := range slices.Clone(l.held) {
		if !h.deadline.After(now) {
			l.end(h.id, spec.ReasonDeadline)
		}
	}
}

func (l *lease) end(id, reason string) {
	l.held = slices.DeleteFunc(l.held, func(h held) bool { return h.id == id })
	l.work.Disarm(id)
	l.emit(spec.Event{Event: spec.EventDisarmed, ID: id, Reason: reason, Totals: l.work.Report(id, true)})
}

func (l *lease) report() {
	for _, h := range l.held {
		if totals := l.work.Report(h.id, false); totals != nil {
			l.emit(spec.Event{Event: spec.EventStats, ID: h.id, Totals: totals})
		}
	}
}

// emit sends an event. Its totals are of the kind that this process holds.
func (l *lease) emit(e spec.Event) {
	e.Kind = l.kind
	l.out.emit(e)
}

// complain answers a command that was not obeyed. The armed faults stay armed.
func (l *lease) complain(c *spec.Command, err error) {
	id := c.ID
	if c.Spec != nil {
		id = c.Spec.ID
	}
	l.out.emit(spec.Event{Event: spec.EventError, ID: id, Problem: spec.ProblemOf(err)})
}

// refuse tells why nothing was armed.
func (l *lease) refuse(first *spec.Spec, err error) int {
	p := spec.ProblemOf(err)
	e := spec.Event{Event: spec.EventError, Problem: p}
	if first != nil {
		e.ID = first.ID
	}
	l.out.emit(e)
	return p.Exit
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
