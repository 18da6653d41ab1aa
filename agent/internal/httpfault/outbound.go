package httpfault

import (
	"net"
	"net/netip"
	"time"

	"chaosgo/agent/internal/confine"
	"chaosgo/agent/internal/http1"
	"chaosgo/agent/internal/relay"
	"chaosgo/agent/internal/spec"
	"chaosgo/agent/internal/steer"
	"chaosgo/agent/internal/takeover"
)

// outbound intercepts the calls to a dependency.
type outbound struct {
	relay     *http1.Relay
	to        []netip.AddrPort
	listeners *steer.Listeners
	rules     *steer.OutRules
	caller    *steer.Caller // nil: the calls of every process
	existing  *existing
	// others relays the calls of other processes without judging them.
	others    http1.Relay
	unread    relay.Counters // of others, which are in no report
	releasing undo
	ending    undo
}

func (o *outbound) begin(s *spec.Spec) (err error) {
	if o.to, err = steer.Resolve(s.Way.To); err != nil {
		return err
	}
	if err := o.lock(s); err != nil {
		return err
	}
	o.existing = newExisting(asked(s).Existing)
	o.others = http1.Relay{
		Decide:         func(*relay.Request) relay.Outcome { return relay.Outcome{} },
		Counters:       &o.unread,
		MaxConnections: asked(s).MaxConnections,
	}
	o.releasing.add(o.others.Drain)
	if err := o.open(s.Way.CallerPID); err != nil {
		return err
	}
	o.listeners.AcceptRedirected(o.serve)
	if err = o.rules.Intercept(o.to, o.listeners); err != nil {
		return err
	}
	o.releasing.add(func() {
		o.rules.Empty() //nolint:errcheck // closing the socket that owns the table empties it anyway
	})
	o.releasing.add(o.existing.end)
	return o.existing.handle(o.callersSide())
}

// lock takes every address of the dependency, because two names may stand for one address. The place
// has locked the name already.
func (o *outbound) lock(s *spec.Spec) error {
	for _, address := range o.to {
		if address.String() == s.Way.To {
			continue
		}
		lock, err := steer.Take("http/to/"+address.String(), s.ID)
		if err != nil {
			return err
		}
		o.releasing.add(lock.Release)
	}
	return nil
}

// open prepares everything before the first call is intercepted.
func (o *outbound) open(callerPID int) (err error) {
	if o.rules, err = steer.OpenOutRules(); err != nil {
		return err
	}
	o.ending.add(func() {
		o.rules.Remove() //nolint:errcheck // closing the socket that owns the table removes it anyway
	})
	if o.listeners, err = steer.ListenRedirected(); err != nil {
		return err
	}
	o.releasing.add(o.listeners.Close)
	if callerPID == 0 {
		return nil
	}
	if o.caller, err = steer.FindCaller(callerPID, o.listeners); err != nil {
		return err
	}
	o.ending.add(o.caller.Close)
	return nil
}

// callersSide is the side of those who call the dependency.
func (o *outbound) callersSide() *side {
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

func (o *outbound) serve(client *net.TCPConn, to netip.AddrPort) {
	ours := o.caller == nil || o.caller.Owns(client.RemoteAddr().(*net.TCPAddr).AddrPort(), to)
	service, ok := dial(client, func() (*net.TCPConn, error) { return steer.DialDependency(to) })
	if !ok {
		return
	}
	o.existing.exclude(
		takeover.Flow{Client: address(client.RemoteAddr()), Server: to},
		takeover.Flow{Client: address(service.LocalAddr()), Server: to},
	)
	if ours {
		o.relay.Serve(client, service)
		return
	}
	o.relay.Counters.Passthrough[relay.PassOtherProcess].Add(1)
	o.others.Serve(client, service)
}

func (o *outbound) agree(h *HTTP) error { return o.existing.agree(h) }

func (o *outbound) report(armed *spec.Armed) {
	armed.Steering = "redirect"
	for _, address := range o.to {
		armed.Resolved = append(armed.Resolved, address.String())
	}
	o.existing.report(armed)
}

func (o *outbound) needs() confine.Needs {
	n := confine.Needs{Capabilities: confine.Steering}
	if o.caller != nil {
		n.Capabilities |= confine.SeeProcesses
	}
	return n
}

func (o *outbound) takenOver() uint64 { return o.existing.takenOver() }

// release removes the rules before it closes the listeners to which they point, and then asks the calls
// of other processes to end.
func (o *outbound) release() { o.releasing.run() }

func (o *outbound) wait(timeout time.Duration) { o.listeners.Handled(timeout) }

// end cuts the calls of other processes that have not ended, and frees everything. The rules go last:
// without them the callers would not hear that their connections were cut.
func (o *outbound) end() {
	o.others.CloseAll()
	o.ending.run()
}
