package httpfault

import (
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"chaosgo/agent/internal/http1"
	"chaosgo/agent/internal/spec"
	"chaosgo/agent/internal/steer"
)

// settleTime is how long after the end of the rules a connection that still met them may take until
// it is accepted; on loopback that is well below a millisecond, unless the machine is overloaded.
const settleTime = 20 * time.Millisecond

// outbound steers the calls to a dependency. It ends in two steps: release, after which no new call
// comes here, and end, once the calls under way have ended.
type outbound struct {
	place     *place
	to        []netip.AddrPort
	listeners *steer.Listeners
	rules     *steer.OutRules
	caller    *steer.Caller // nil: the calls of every process
	asked     string        // what was to become of the calls that were open before
	found     int           // how many these were
	calls     atomic.Int64  // connections that are relayed, or about to be
	// others relays the calls of other processes, and judges none of them.
	others http1.Relay
	unread http1.Counters // of others; nobody is told how much they say
}

func (p *place) steerOutbound(s *spec.Spec) error {
	to, err := steer.Resolve(s.HTTP.To)
	if err != nil {
		return err
	}
	// Two names may stand for one address.
	for _, address := range to {
		if address.String() == s.HTTP.To {
			continue
		}
		lock, err := steer.Take("http/to/"+address.String(), s.ID)
		if err != nil {
			return err
		}
		p.undo = append(p.undo, lock.Release)
	}
	o := &outbound{place: p, to: to, asked: s.HTTP.Existing}
	o.others = http1.Relay{Decide: func(*http1.Request) http1.Outcome { return http1.Outcome{} }, Counters: &o.unread}
	if err := o.begin(s.HTTP.CallerPID); err != nil {
		o.close()
		return err
	}
	p.outbound, p.steering = o, "redirect"
	p.undo = append(p.undo, o.release)
	return nil
}

func (o *outbound) begin(callerPID int) (err error) {
	if o.listeners, err = steer.ListenRedirected(); err != nil {
		return err
	}
	if callerPID != 0 {
		if o.caller, err = steer.FindCaller(callerPID, o.listeners); err != nil {
			return err
		}
	}
	existing, err := steer.Calls(o.to, o.caller)
	if err != nil {
		return err
	}
	o.found = len(existing)
	o.listeners.AcceptRedirected(o.serve)
	if o.rules, err = steer.InterceptCalls(o.to, o.listeners); err != nil || o.asked != spec.ExistingReset {
		return err
	}
	for _, c := range existing {
		if err := steer.Abort(c); err != nil {
			return err
		}
	}
	return nil
}

// serve relays one call. A dependency that is not there is not there for the caller either.
func (o *outbound) serve(client *net.TCPConn, to netip.AddrPort) {
	o.calls.Add(1)
	defer o.calls.Add(-1)
	ours := o.caller == nil || o.caller.Owns(client.RemoteAddr().(*net.TCPAddr).AddrPort(), to)
	upstream, err := steer.DialDependency(to)
	if err != nil {
		steer.Reset(client)
		return
	}
	if ours {
		o.place.relay.Serve(client, upstream)
		return
	}
	o.place.counters.Passthrough[http1.OtherProcess].Add(1)
	o.others.Serve(client, upstream)
}

// report tells which addresses are intercepted, and what became of the calls that were open before.
func (o *outbound) report(armed *spec.Armed) {
	for _, address := range o.to {
		armed.Resolved = append(armed.Resolved, address.String())
	}
	armed.ExistingConnections, armed.ExistingHandling = o.found, o.asked
	if o.asked == spec.ExistingReset {
		return
	}
	armed.ExistingHandling, armed.UntouchedConnections = spec.ExistingLeave, o.found
	if o.asked == spec.ExistingTakeover && o.found > 0 {
		armed.ExistingProblem = "calls that were open before are not taken over; they end when the caller closes them"
	}
}

// release lets new calls take their old way.
func (o *outbound) release() {
	o.rules.Empty() //nolint:errcheck // closing the socket that owns the table empties it anyway
	o.others.Drain()
}

// wait returns when the calls under way have ended, or after timeout.
func (o *outbound) wait(timeout time.Duration) {
	deadline := time.Now().Add(timeout)
	for time.Sleep(settleTime); o.calls.Load() > 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
}

// end cuts the calls of other processes that have not ended, and closes everything.
func (o *outbound) end() {
	o.others.CloseAll()
	o.close()
}

func (o *outbound) close() {
	if o.rules != nil {
		o.rules.Remove() //nolint:errcheck // closing the socket that owns the table removes it anyway
	}
	if o.listeners != nil {
		o.listeners.Close()
	}
	if o.caller != nil {
		o.caller.Close()
	}
}
