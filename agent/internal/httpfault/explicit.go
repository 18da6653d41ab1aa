package httpfault

import (
	"net"
	"time"

	"chaosgo/agent/internal/confine"
	"chaosgo/agent/internal/http1"
	"chaosgo/agent/internal/spec"
	"chaosgo/agent/internal/steer"
)

// explicit is a proxy that clients dial themselves. It needs no privileges, and no connection to it was
// open before.
type explicit struct {
	relay    *http1.Relay
	upstream string
	listener *net.TCPListener // nil before begin
}

func (e *explicit) begin(s *spec.Spec) (err error) {
	e.upstream = s.Way.Proxy.Upstream
	if e.listener, err = steer.ListenExplicit(s.Way.Proxy.Listen); err != nil {
		return err
	}
	steer.AcceptExplicit(e.listener, e.serve)
	return nil
}

func (e *explicit) serve(client *net.TCPConn) {
	service, ok := dial(client, func() (*net.TCPConn, error) { return steer.DialUpstream(e.upstream) })
	if ok {
		e.relay.Serve(client, service)
	}
}

func (e *explicit) agree(*HTTP) error { return nil }

func (e *explicit) report(armed *spec.Armed) { armed.Steering = "proxy" }

func (e *explicit) needs() confine.Needs { return confine.Needs{} }

func (e *explicit) takenOver() uint64 { return 0 }

func (e *explicit) release() {
	if e.listener != nil {
		e.listener.Close() //nolint:errcheck // a closed listener is all we want
	}
}

func (e *explicit) wait(timeout time.Duration) { e.relay.Wait(timeout) }

func (e *explicit) end() {}
