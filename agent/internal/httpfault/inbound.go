package httpfault

import (
	"net"
	"net/netip"
	"strconv"
	"time"

	"chaosgo/agent/internal/confine"
	"chaosgo/agent/internal/http1"
	"chaosgo/agent/internal/spec"
	"chaosgo/agent/internal/steer"
	"chaosgo/agent/internal/takeover"
)

// inbound intercepts the port of a service.
type inbound struct {
	relay     *http1.Relay
	listeners *steer.Listeners
	existing  *existing
	asClient  *steer.ReturnPath // nil: the service sees our address instead of the client's
	releasing undo
	ending    undo
}

func (i *inbound) begin(s *spec.Spec) (err error) {
	port, h := s.Way.Port, asked(s)
	if err := steer.CheckListening(port); err != nil {
		return err
	}
	if err := i.openReturnPath(port, h.KeepClientAddress); err != nil {
		return err
	}
	if i.listeners, err = steer.ListenTransparent(); err != nil {
		return err
	}
	i.releasing.add(i.listeners.Close)
	i.existing = newExisting(h.Existing)
	i.listeners.Accept(i.serve)
	rules, err := steer.Intercept(port, i.listeners)
	if err != nil {
		return err
	}
	i.releasing.add(func() {
		rules.Remove() //nolint:errcheck // closing the socket that owns the table removes it anyway
	})
	i.releasing.add(i.existing.end)
	return i.existing.handle(serviceSide(port, rules))
}

// openReturnPath routes what the service sends to its clients back to the agent, when the service is to
// see their addresses. It removes such routes of agents that were killed in any case.
func (i *inbound) openReturnPath(port int, keepClientAddress bool) (err error) {
	if !keepClientAddress {
		steer.RemoveStaleReturnPaths()
		return nil
	}
	if i.asClient, err = steer.OpenReturnPath(port); err != nil {
		return err
	}
	i.ending.add(i.asClient.Close)
	return nil
}

// serviceSide is the service's side of the connections to its port.
func serviceSide(port int, rules *steer.Rules) *side {
	return &side{
		flows: func() ([]takeover.Flow, error) {
			accepted, err := steer.Accepted(port)
			var flows []takeover.Flow
			for _, c := range accepted {
				flows = append(flows, takeover.Flow{Client: c.Remote, Server: c.Local})
			}
			return flows, err
		},
		queue: func(toServer, toClient uint16, clients []netip.AddrPort) (*steer.QueueRules, error) {
			return rules.QueueInbound(port, toServer, toClient, clients)
		},
		abort: func(f takeover.Flow) error {
			return steer.Abort(steer.Connection{Local: f.Server, Remote: f.Client})
		},
	}
}

func (i *inbound) serve(client *net.TCPConn) {
	service, ok := dial(client, func() (*net.TCPConn, error) { return i.connect(client) })
	if !ok {
		return
	}
	i.existing.exclude(
		takeover.Flow{Client: address(client.RemoteAddr()), Server: address(client.LocalAddr())},
		takeover.Flow{Client: address(service.LocalAddr()), Server: address(service.RemoteAddr())},
	)
	i.relay.Serve(client, service)
}

func (i *inbound) connect(client *net.TCPConn) (*net.TCPConn, error) {
	service := client.LocalAddr().(*net.TCPAddr)
	if i.asClient != nil {
		return i.asClient.Dial(client.RemoteAddr().(*net.TCPAddr), service)
	}
	return steer.DialService(service)
}

func (i *inbound) agree(h *HTTP) error {
	if keeps := i.asClient != nil; h.KeepClientAddress != keeps {
		return otherwise("http.keep_client_address", strconv.FormatBool(h.KeepClientAddress), strconv.FormatBool(keeps))
	}
	return i.existing.agree(h)
}

func (i *inbound) report(armed *spec.Armed) {
	armed.Steering = "tproxy"
	i.existing.report(armed)
}

func (i *inbound) needs() confine.Needs { return confine.Needs{Capabilities: confine.Steering} }

func (i *inbound) takenOver() uint64 { return i.existing.takenOver() }

// release removes the rules before it closes the listeners to which they point.
func (i *inbound) release() { i.releasing.run() }

func (i *inbound) wait(timeout time.Duration) { i.listeners.Handled(timeout) }

func (i *inbound) end() { i.ending.run() }
