package httpfault

import (
	"net"
	"net/netip"

	"chaosgo/agent/internal/http1"
	"chaosgo/agent/internal/relay"
	"chaosgo/agent/internal/spec"
	"chaosgo/agent/internal/steer"
	"chaosgo/agent/internal/takeover"
)

// outbound steers the calls to a dependency. It ends in two steps: release, after which no new call
// comes here, and end, once the calls under way have ended.
type outbound struct {
	place     *place
	to        []netip.AddrPort
	listeners *steer.Listeners
	rules     *steer.OutRules
	caller    *steer.Caller // nil: the calls of every process
	// others relays the calls of other processes, and judges none of them.
	others http1.Relay
	unread relay.Counters // of others; nobody is told how much they say
}

func (p *place) steerOutbound(s *spec.Spec) error {
	to, err := steer.Resolve(s.Way.To)
	if err != nil {
		return err
	}
	// Two names may stand for one address.
	for _, address := range to {
		if address.String() == s.Way.To {
			continue
		}
		lock, err := steer.Take("http/to/"+address.String(), s.ID)
		if err != nil {
			return err
		}
		p.undo = append(p.undo, lock.Release)
	}
	o := &outbound{place: p, to: to}
	p.existing = newExisting(asked(s).Existing)
	o.others = http1.Relay{
		Decide:         func(*relay.Request) relay.Outcome { return relay.Outcome{} },
		Counters:       &o.unread,
		MaxConnections: asked(s).MaxConnections,
	}
	if err := o.begin(s.Way.CallerPID); err != nil {
		p.existing.end()
		o.close()
		return err
	}
	p.outbound, p.steering, p.handled = o, "redirect", o.listeners.Handled
	p.undo = append(p.undo, o.release, p.existing.end)
	return nil
}

func (o *outbound) begin(callerPID int) (err error) {
	if o.rules, err = steer.OpenOutRules(); err != nil {
		return err
	}
	if o.listeners, err = steer.ListenRedirected(); err != nil {
		return err
	}
	if callerPID != 0 {
		if o.caller, err = steer.FindCaller(callerPID, o.listeners); err != nil {
			return err
		}
	}
	o.listeners.AcceptRedirected(o.serve)
	if err = o.rules.Intercept(o.to, o.listeners); err != nil {
		return err
	}
	return o.place.existing.handle(o.side())
}

// side is the side of those who call the dependency.
func (o *outbound) side() *side {
	return &side{
		flows: func() ([]takeover.Flow, error) {
			calls, err := steer.Calls(o.to, o.caller)
			var flows []takeover.Flow
			for _, c := range calls {
				flows = append(flows, takeover.Flow{Client: c.Local, Server: c.Remote})
			}
			return flows, err
		},
		queue: func(toServer, toClient uint16, clients []netip.AddrPort) (*steer.QueueRules, error) {
			return o.rules.QueueOutbound(int(o.to[0].Port()), toServer, toClient, clients)
		},
		abort: func(f takeover.Flow) error {
			return steer.Abort(steer.Connection{Local: f.Client, Remote: f.Server})
		},
	}
}

// serve relays one call. A dependency that is not there is not there for the caller either.
func (o *outbound) serve(client *net.TCPConn, to netip.AddrPort) {
	ours := o.caller == nil || o.caller.Owns(client.RemoteAddr().(*net.TCPAddr).AddrPort(), to)
	upstream, err := steer.DialDependency(to)
	if err != nil {
		steer.Reset(client)
		return
	}
	o.place.existing.exclude(
		takeover.Flow{Client: address(client.RemoteAddr()), Server: to},
		takeover.Flow{Client: address(upstream.LocalAddr()), Server: to},
	)
	if ours {
		o.place.relay.Serve(client, upstream)
		return
	}
	o.place.counters.Passthrough[relay.PassOtherProcess].Add(1)
	o.others.Serve(client, upstream)
}

// report tells which addresses are intercepted.
func (o *outbound) report(armed *spec.Armed) {
	for _, address := range o.to {
		armed.Resolved = append(armed.Resolved, address.String())
	}
}

// release lets new calls take their old way.
func (o *outbound) release() {
	o.rules.Empty() //nolint:errcheck // closing the socket that owns the table empties it anyway
	o.listeners.Close()
	o.others.Drain()
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
