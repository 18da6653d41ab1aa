package spec

import (
	"errors"
	"fmt"
	"strings"
)

// Problem is why the agent refused: the offending value and what to do about it.
type Problem struct {
	Field   string `json:"field,omitempty"`
	Value   string `json:"value,omitempty"`
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
	// Exit is the exit code of the process that ends with this problem.
	Exit int `json:"-"`
}

// Error gives the problem in one line.
func (p *Problem) Error() string {
	s := p.Message
	if p.Field != "" {
		s = p.Field + "=" + p.Value + ": " + s
	}
	if p.Fix != "" {
		s += "; " + p.Fix
	}
	return s
}

// Exit codes of the agent.
const (
	ExitClean     = 0
	ExitBadSpec   = 2
	ExitCannotRun = 3
	ExitLease     = 4
	ExitDied      = 5
)

// Bad makes the problem of an invalid value in a spec; a long value is cut.
func Bad(field, value, message, fix string) *Problem {
	return &Problem{Field: field, Value: shorten(value), Message: message, Fix: fix, Exit: ExitBadSpec}
}

// CannotRun makes the problem of a place that does not allow what was asked.
func CannotRun(message, fix string) *Problem {
	return &Problem{Message: message, Fix: fix, Exit: ExitCannotRun}
}

// ProblemOf gives the problem in an error. Any other error is blamed on the place.
func ProblemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	return CannotRun(err.Error(), "run `chaos-agent check` there")
}

// ProblemsOf gives all problems in an error that joins several; none of nil.
func ProblemsOf(err error) []*Problem {
	if err == nil {
		return nil
	}
	if joined, several := err.(interface{ Unwrap() []error }); several {
		var all []*Problem
		for _, one := range joined.Unwrap() {
			all = append(all, ProblemsOf(one)...)
		}
		return all
	}
	return []*Problem{ProblemOf(err)}
}

// shorten cuts a value that nobody would read to its end.
func shorten(value string) string {
	const most = 120
	if len(value) <= most {
		return value
	}
	return fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(value[:most], ""), len(value))
}
