package httpfault

import (
	"fmt"
	"net"
	"strconv"

	"chaosgo/agent/internal/spec"
	"chaosgo/agent/internal/steer"
	"chaosgo/agent/internal/takeover"
)

func (p *place) steer(s *spec.Spec) error {
	lock, err := steer.Take("http/"+lockName(s.Way), s.ID)
	if err != nil {
		return err
	}
	p.undo = append(p.undo, lock.Release)
	switch {
	case s.Way.Proxy != nil:
		return p.steerExplicit(s.Way.Proxy)
	case s.Way.To != "":
		return p.steerOutbound(s)
	}
	return p.steerPort(s.Way.Port, asked(s))
}

func (p *place) steerPort(port int, h *HTTP) error {
	if err := steer.CheckListening(port); err != nil {
		return err
	}
	if err := p.openReturnPath(port, h); err != nil {
		return err
	}
	listeners, err := steer.ListenTransparent()
	if err != nil {
		return err
	}
	p.undo, p.handled = append(p.undo, listeners.Close), listeners.Handled
	p.existing = newExisting(h.Existing)
	listeners.Accept(p.serve)
	rules, err := steer.Intercept(port, listeners)
	if err != nil {
		return err
	}
	p.undo = append(p.undo, func() {
		rules.Remove() //nolint:errcheck // closing the socket that owns the table removes it anyway
	})
	p.steering = "tproxy"
	p.undo = append(p.undo, p.existing.end)
	return p.existing.handle(inbound(port, rules))
}

// openReturnPath routes what the service sends to its clients back here, when asked. What killed
// agents left of such routing goes in any case.
func (p *place) openReturnPath(port int, h *HTTP) error {
	if !h.KeepClientAddress {
		steer.RemoveStaleReturnPaths()
		return nil
	}
	path, err := steer.OpenReturnPath(port)
	if err == nil {
		p.asClient = path
	}
	return err
}

func (p *place) steerExplicit(proxy *spec.Proxy) error {
	listener, err := steer.ListenExplicit(proxy.Listen)
	if err != nil {
		return err
	}
	p.undo = append(p.undo, func() {
		listener.Close() //nolint:errcheck // a closed listener is all we want
	})
	p.upstream, p.steering = proxy.Upstream, "proxy"
	steer.AcceptExplicit(listener, p.serve)
	return nil
}

// unsteer undoes in reverse: the rules go before the listener that they point to.
func (p *place) unsteer() {
	for len(p.undo) > 0 {
		last := len(p.undo) - 1
		p.undo[last]()
		p.undo = p.undo[:last]
	}
}

// serve relays one connection. A service that is not there is not there for the client either.
func (p *place) serve(client *net.TCPConn) {
	upstream, err := p.dial(client)
	if err != nil {
		steer.Reset(client)
		return
	}
	if p.existing != nil {
		p.existing.exclude(
			takeover.Flow{Client: address(client.RemoteAddr()), Server: address(client.LocalAddr())},
			takeover.Flow{Client: address(upstream.LocalAddr()), Server: address(upstream.RemoteAddr())},
		)
	}
	p.relay.Serve(client, upstream)
}

func (p *place) dial(client *net.TCPConn) (*net.TCPConn, error) {
	if p.upstream != "" {
		return steer.DialUpstream(p.upstream)
	}
	service := client.LocalAddr().(*net.TCPAddr)
	if p.asClient != nil {
		return p.asClient.Dial(client.RemoteAddr().(*net.TCPAddr), service)
	}
	return steer.DialService(service)
}

// location says what this agent holds: a port, the address of an explicit proxy, or calls.
func location(w *spec.Way) string {
	if w.CallerPID != 0 {
		return fmt.Sprintf("%s from process %d", lockName(w), w.CallerPID)
	}
	return lockName(w)
}

// lockName is what only one agent may hold at a time: the calls to a dependency, whoever makes them.
func lockName(w *spec.Way) string {
	switch {
	case w.Proxy != nil:
		return w.Proxy.Listen
	case w.To != "":
		return "to/" + w.To
	}
	return strconv.Itoa(w.Port)
}
