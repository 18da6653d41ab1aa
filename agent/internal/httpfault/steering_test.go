package httpfault

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"chaosgo/agent/internal/confine"
	"chaosgo/agent/internal/spec"
	"chaosgo/agent/internal/steer"
)

func TestEachWayHasItsSteering(t *testing.T) {
	for _, c := range []struct {
		way  spec.Way
		want string
	}{
		{spec.Way{Port: 80}, "*httpfault.inbound"},
		{spec.Way{To: "users:80"}, "*httpfault.outbound"},
		{spec.Way{Proxy: &spec.Proxy{}}, "*httpfault.explicit"},
	} {
		if got := fmt.Sprintf("%T", newSteering(&c.way, nil)); got != c.want {
			t.Errorf("%v has %s, want %s", &c.way, got, c.want)
		}
	}
}

func TestPrivilegesThatASteeringTakes(t *testing.T) {
	for _, c := range []struct {
		steering steering
		want     confine.Capabilities
	}{
		{&explicit{}, 0},
		{&inbound{}, confine.Steering},
		{&outbound{}, confine.Steering},
		{&outbound{caller: &steer.Caller{}}, confine.Steering | confine.SeeProcesses},
	} {
		if got := c.steering.needs(); got.Capabilities != c.want || got.Calls != nil {
			t.Errorf("%T needs %+v, want %x", c.steering, got, c.want)
		}
	}
}

func TestFaultsOfOnePlaceAgree(t *testing.T) {
	seen, kept := &inbound{existing: newExisting(ExistingLeave)}, &inbound{existing: newExisting(ExistingLeave), asClient: &steer.ReturnPath{}}
	calls := &outbound{existing: newExisting(ExistingReset)}
	for _, c := range []struct {
		steering           steering
		h                  HTTP
		field, value, mine string
	}{
		{seen, HTTP{Existing: ExistingLeave}, "", "", ""},
		{seen, HTTP{Existing: ExistingLeave, KeepClientAddress: true}, "http.keep_client_address", "true", "false"},
		{seen, HTTP{Existing: ExistingReset}, "http.existing", "reset", "leave"},
		{kept, HTTP{Existing: ExistingLeave, KeepClientAddress: true}, "", "", ""},
		{kept, HTTP{Existing: ExistingLeave}, "http.keep_client_address", "false", "true"},
		{calls, HTTP{Existing: ExistingReset}, "", "", ""},
		{calls, HTTP{Existing: ExistingTakeover}, "http.existing", "takeover", "reset"},
		{&explicit{}, HTTP{Existing: ExistingReset}, "", "", ""},
	} {
		err := c.steering.agree(&c.h)
		var p *spec.Problem
		switch {
		case c.field == "" && err != nil:
			t.Errorf("%T refused %+v: %v", c.steering, c.h, err)
		case c.field != "" && (!errors.As(err, &p) || p.Field != c.field || p.Value != c.value || !strings.HasSuffix(p.Message, c.mine)):
			t.Errorf("%T of %+v: got %v", c.steering, c.h, err)
		}
	}
}

func TestAPlaceRefusesAFaultThatDisagrees(t *testing.T) {
	p := newPlace()
	defer p.unwatch()
	p.where, p.steering = "80", &inbound{existing: newExisting(ExistingLeave)}
	abort := &HTTP{Percentage: 1, Abort: &HTTPAbort{Status: 503}, Existing: ExistingReset}
	_, err := p.Arm(&spec.Spec{ID: "x", Way: &spec.Way{Port: 80}, Detail: abort})
	if err == nil || len(p.faults) > 0 {
		t.Errorf("armed %d faults, %v", len(p.faults), err)
	}
}

func TestFaultsOfOnePlaceAgreeOnItsBound(t *testing.T) {
	p := newPlace()
	defer p.unwatch()
	p.where, p.steering, p.relay.MaxConnections = "80", &explicit{}, 5
	for most, field := range map[int]string{5: "", 7: "http.max_connections"} {
		h := &HTTP{Percentage: 1, Abort: &HTTPAbort{Status: 503}, MaxConnections: most}
		_, err := p.Arm(&spec.Spec{ID: fmt.Sprint(most), Way: &spec.Way{Port: 80}, Detail: h})
		if got := spec.ProblemsOf(err); (field == "") != (err == nil) || err != nil && got[0].Field != field {
			t.Errorf("a bound of %d where it is 5: %v", most, err)
		}
	}
}

func TestThingsAreUndoneOnceAndInReverse(t *testing.T) {
	var u undo
	done := ""
	for _, step := range []string{"listeners ", "rules ", "existing "} {
		u.add(func() { done += step })
	}
	u.run()
	u.run()
	if done != "existing rules listeners " {
		t.Errorf("undone: %s", done)
	}
}
