package httpfault

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"chaosgo/agent/internal/spec"
	"chaosgo/agent/internal/steer"
	"chaosgo/agent/internal/takeover"
)

func flow(client string) takeover.Flow {
	return takeover.Flow{Client: netip.MustParseAddrPort(client), Server: netip.MustParseAddrPort("192.0.2.1:80")}
}

// somewhere is a side with two connections, of which the kernel takes none.
func somewhere() *side {
	return &side{
		flows: func() ([]takeover.Flow, error) { return []takeover.Flow{flow("192.0.2.2:1"), flow("192.0.2.2:2")}, nil },
		queue: func(uint16, uint16, []netip.AddrPort) (*steer.QueueRules, error) {
			return nil, errors.New("no queues here")
		},
		abort: func(takeover.Flow) error { return errors.New("no aborts here") },
	}
}

func TestWithoutQueuesConnectionsAreLeftAlone(t *testing.T) {
	e := newExisting(ExistingTakeover)
	if err := e.handle(somewhere()); err != nil {
		t.Fatal(err)
	}
	defer e.end()
	var armed spec.Armed
	e.report(&armed)
	if armed.ExistingHandling != ExistingLeave || armed.ExistingProblem == "" || armed.UntouchedConnections != 2 {
		t.Errorf("got %+v", armed)
	}
}

func TestRefusedResetIsAnError(t *testing.T) {
	err := newExisting(ExistingReset).handle(somewhere())
	var problem *spec.Problem
	if !errors.As(err, &problem) || problem.Field != "http.existing" || problem.Value != ExistingReset ||
		!strings.Contains(problem.Message, "no aborts here") || !strings.Contains(problem.Fix, "takeover or leave") {
		t.Errorf("got %v", err)
	}
}

func TestOwnConnectionsAreNoExistingOnes(t *testing.T) {
	e := newExisting(ExistingLeave)
	e.exclude(flow("192.0.2.2:2"), flow("192.0.2.2:3"))
	if err := e.handle(somewhere()); err != nil || e.found != 1 {
		t.Errorf("found %d, %v", e.found, err)
	}
	e.exclude(flow("192.0.2.2:4"))
	if e.ours != nil {
		t.Errorf("still remembered: %v", e.ours)
	}
}
