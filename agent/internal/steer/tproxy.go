package steer

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"chaosgo/agent/internal/spec"
)

// mark is on the agent's own connections to the service, so that the rules do not intercept them.
const mark = 0x0da7c605

// Rules steer one inbound port. The kernel removes them when the agent dies.
type Rules struct {
	conn  *nftables.Conn
	table *nftables.Table
	alive *Alive
}

// Intercept steers new TCP connections to port, on any local address, into the listeners.
// Connections that the service has accepted already stay with the service.
func Intercept(port int, listeners *Listeners) (*Rules, error) {
	conn, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return nil, explain(err)
	}
	r := &Rules{conn: conn, table: ownedTable(conn, fmt.Sprintf("chaos-agent-port-%d", port))}
	if r.alive, err = AddAlive(conn, r.table); err != nil {
		return nil, errors.Join(explain(err), conn.CloseLasting())
	}
	inbound(port, listeners.addresses(), r.alive).add(conn, r.table)
	if err := conn.Flush(); err != nil {
		return nil, errors.Join(explain(err), conn.CloseLasting())
	}
	r.alive.Keep()
	return r, nil
}

// Remove takes the rules away. Connections that were intercepted stay open.
func (r *Rules) Remove() error {
	r.alive.Stop()
	r.conn.DelTable(r.table)
	return errors.Join(r.conn.Flush(), r.conn.CloseLasting())
}

// inbound intercepts what comes for a port. The listeners are at the given addresses, one for each
// family that the host has.
func inbound(port int, listeners []netip.AddrPort, alive *Alive) baseChain {
	rules := [][]expr.Any{
		acceptMarked(mark),
		acceptAllButTCP(),
		{transport(destinationPort, 2), unequal(binaryutil.BigEndian.PutUint16(uint16(port))), acceptIt()},
		// Traffic that this host only forwards goes to the service of another host.
		{
			&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
			unequal(binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL)), acceptIt(),
		},
		// A packet of a connection that was intercepted earlier finds our socket by itself. The first
		// packet of a connection must not be looked up: it may find a socket in TIME_WAIT, of the last
		// connection from the same port of the client. The kernel would then give the new connection to
		// the service.
		rule(notFirst(), []expr.Any{
			&expr.Socket{Key: expr.SocketKeyTransparent, Register: 1}, equal([]byte{1}), acceptIt(),
		}),
	}
	for _, listener := range listeners {
		rules = append(rules, rule(alive.If(), proxyTo(listener)))
	}
	return baseChain{
		"prerouting", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityMangle, rules,
	}
}

// proxyTo hands a packet to a listener of the same family (TPROXY). It does nothing for a connection
// that the service holds, because the socket of the service is not transparent, and nothing when the
// listener is closed.
func proxyTo(listener netip.AddrPort) []expr.Any {
	family := familyOf(listener.Addr())
	return []expr.Any{
		meta(expr.MetaKeyNFPROTO), equal([]byte{family}),
		&expr.Immediate{Register: 1, Data: listener.Addr().AsSlice()},
		&expr.Immediate{Register: 2, Data: binaryutil.BigEndian.PutUint16(listener.Port())},
		&expr.TProxy{Family: family, TableFamily: unix.NFPROTO_INET, RegAddr: 1, RegPort: 2},
		acceptIt(),
	}
}

func familyOf(address netip.Addr) byte {
	if address.Is6() {
		return unix.NFPROTO_IPV6
	}
	return unix.NFPROTO_IPV4
}

// explain turns what the kernel answered into what a user can do about it.
func explain(err error) *spec.Problem {
	const elsewhere = "or use the explicit proxy, target proxy/LISTEN->UPSTREAM, which needs no privileges"
	switch {
	case errors.Is(err, unix.EPERM):
		return spec.CannotRun("CAP_NET_ADMIN is missing: "+err.Error(),
			"run as root, or inside `unshare -Urn`, "+elsewhere)
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
		return spec.CannotRun("this kernel has no nftables tables with an owner: "+err.Error(),
			"use Linux 5.12 or newer, "+elsewhere)
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EPROTONOSUPPORT):
		return spec.CannotRun("this kernel lacks a part of nftables: "+err.Error(),
			"load nf_tables, nft_tproxy, nft_socket, nft_fib_inet, for calls nft_chain_nat and nft_redir (chaos-agent check tells which), "+elsewhere)
	}
	return spec.CannotRun("nftables: "+err.Error(), "run `chaos-agent check` there, "+elsewhere)
}
