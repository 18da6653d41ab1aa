package spec

import (
	"encoding/json"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Way says which traffic of a place a fault is on: exactly one of Port, Proxy and To. Port is of a
// service; To, "HOST:PORT", is of a dependency that is called from this network namespace, with
// CallerPID by that process only.
type Way struct {
	Port      int    `json:"port,omitempty" jsonschema:"minimum=1,maximum=65535"`
	Proxy     *Proxy `json:"proxy,omitempty"`
	To        string `json:"to,omitempty"`
	CallerPID int    `json:"caller_pid,omitempty" jsonschema:"minimum=1"`
}

// Proxy is an explicit proxy: clients dial Listen, which must be a loopback address.
type Proxy struct {
	Listen   string `json:"listen"`
	Upstream string `json:"upstream"`
}

const (
	lastPort = 65535
	oneWay   = "give exactly one of port, proxy and to"
)

// String gives the way as it is on the wire.
func (w *Way) String() string {
	text, _ := json.Marshal(w) // texts and numbers can always be marshalled
	return string(text)
}

func (w *Way) validate() error {
	if w == nil { // the kind says whether it needs one
		return nil
	}
	ways := 0
	for _, given := range []bool{w.Port != 0, w.Proxy != nil, w.To != ""} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return Bad("way", w.String(), "the traffic is not given, or given in several ways", oneWay)
	}
	if w.CallerPID != 0 && (w.To == "" || w.CallerPID < 0) {
		return Bad("way.caller_pid", strconv.Itoa(w.CallerPID), "not a process that calls a dependency",
			"give a pid together with to, or leave it out")
	}
	switch {
	case w.To != "":
		return validateDestination("way.to", w.To)
	case w.Proxy != nil:
		return w.Proxy.validate()
	}
	return Within("way.port", w.Port, 1, lastPort, "not a port")
}

func (p *Proxy) validate() error {
	host, port, err := hostPort("way.proxy.listen", p.Listen)
	if err != nil {
		return err
	}
	listen, err := netip.ParseAddr(host)
	if err != nil || !listen.IsLoopback() {
		return Bad("way.proxy.listen", p.Listen, "not a loopback address",
			"give one like 127.0.0.1:9081: nobody outside may use the agent as a relay")
	}
	if err := validateDestination("way.proxy.upstream", p.Upstream); err != nil {
		return err
	}
	upstreamHost, upstreamPort, _ := hostPort("", p.Upstream)
	upstream, err := netip.ParseAddr(upstreamHost)
	if port == upstreamPort && (upstreamHost == "localhost" || err == nil && upstream.Unmap() == listen.Unmap()) {
		return Bad("way.proxy.listen", p.Listen, "the proxy would dial itself", "give listen another port than upstream")
	}
	return nil
}

// validateDestination refuses what nobody can dial.
func validateDestination(field, text string) error {
	host, _, err := hostPort(field, text)
	if err != nil {
		return err
	}
	if a, err := netip.ParseAddr(host); err == nil && (a.Unmap().IsUnspecified() || a.Unmap().IsMulticast()) {
		return Bad(field, text, "not an address that can be called", "give the one that the caller uses")
	}
	return nil
}

// hostPort reads HOST:PORT; an IPv6 address is in brackets.
func hostPort(field, text string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(text)
	bracketed := strings.HasPrefix(text, "[")
	if err != nil || !isHost(host) || bracketed != strings.Contains(host, ":") || !isPort(port) {
		return "", "", Bad(field, text, "not host:port", "give one like users:8082, 127.0.0.1:8082 or [::1]:8082")
	}
	return host, port, nil
}

// isHost tells an address without a zone, or a name that could be in a DNS or in /etc/hosts. A name
// whose last label is a number would be an IPv4 address that is written wrongly.
func isHost(host string) bool {
	if strings.ContainsAny(host, ":%") {
		_, err := netip.ParseAddr(host)
		return err == nil && !strings.Contains(host, "%")
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	for _, label := range labels {
		if label == "" || strings.ContainsFunc(label, func(r rune) bool { return !isAlphanumeric(r) && r != '-' && r != '_' }) {
			return false
		}
	}
	if _, err := strconv.Atoi(labels[len(labels)-1]); err == nil {
		_, err := netip.ParseAddr(host)
		return err == nil
	}
	return true
}

// isPort tells a port in its only spelling: without a sign and without leading zeros, because an agent
// locks its place by name.
func isPort(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n >= 1 && n <= lastPort && strconv.Itoa(n) == text
}

func isAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}
