package steer

import (
	"errors"
	"fmt"
	"net"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"chaosgo/agent/internal/spec"
)

// mark tells the agent's own connections to the service from those it has to intercept.
const mark = 0x0da7c605

// Rules are the steering of one inbound port. The kernel removes them when the agent dies,
// because the table has an owner (NFT_TABLE_F_OWNER, Linux 5.12).
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
	r := &Rules{conn: conn, table: conn.CreateTable(&nftables.Table{
		Name:   fmt.Sprintf("chaos-agent-http-%d", port),
		Family: nftables.TableFamilyINet,
		Flags:  nftables.TableFlagOwner,
	})}
	chain := conn.AddChain(&nftables.Chain{
		Name: "prerouting", Table: r.table, Type: nftables.ChainTypeFilter,
		Hooknum:  nftables.ChainHookPrerouting,
		Priority: nftables.ChainPriorityMangle,
	})
	if r.alive, err = AddAlive(conn, r.table); err != nil {
		return nil, errors.Join(explain(err), conn.CloseLasting())
	}
	for _, exprs := range inbound(port, listeners, r.alive) {
		conn.AddRule(&nftables.Rule{Table: r.table, Chain: chain, Exprs: exprs})
	}
	if err := conn.Flush(); err != nil {
		return nil, errors.Join(explain(err), conn.CloseLasting())
	}
	r.alive.Keep()
	return r, nil
}

// Remove takes the rules away; connections that were intercepted live on.
func (r *Rules) Remove() error {
	r.alive.Stop()
	r.conn.DelTable(r.table)
	return errors.Join(r.conn.Flush(), r.conn.CloseLasting())
}

// inbound is the rule set as data, in the order in which the kernel asks it.
func inbound(port int, l *Listeners, alive *Alive) [][]expr.Any {
	accept := &expr.Verdict{Kind: expr.VerdictAccept}
	rules := [][]expr.Any{
		// The agent's own connection to the service: without this it would intercept itself.
		{meta(expr.MetaKeyMARK), equal(binaryutil.NativeEndian.PutUint32(mark)), accept},
		{meta(expr.MetaKeyL4PROTO), unequal([]byte{unix.IPPROTO_TCP}), accept},
		{
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
			unequal(binaryutil.BigEndian.PutUint16(uint16(port))), accept,
		},
		// Traffic that this host only forwards goes to somebody else's service.
		{
			&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
			unequal(binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL)), accept,
		},
		// Packets of connections that were intercepted earlier find their socket by themselves. A first
		// one does not: what it finds is in TIME_WAIT, of the last connection from the client's port, and
		// the kernel would give the new one to the service.
		append(notFirst(), &expr.Socket{Key: expr.SocketKeyTransparent, Register: 1}, equal([]byte{1}), accept),
	}
	if l.v4 != nil {
		rules = append(rules, append(alive.If(), redirect(unix.NFPROTO_IPV4, l.v4)...))
	}
	if l.v6 != nil {
		rules = append(rules, append(alive.If(), redirect(unix.NFPROTO_IPV6, l.v6)...))
	}
	return rules
}

// redirect hands a packet to the listener. The statement does nothing for a connection that the
// service holds (its socket is not transparent) and nothing when the listener is gone.
func redirect(family byte, l *net.TCPListener) []expr.Any {
	to := l.Addr().(*net.TCPAddr)
	address := to.IP.To4()
	if family == unix.NFPROTO_IPV6 {
		address = to.IP.To16()
	}
	return []expr.Any{
		meta(expr.MetaKeyNFPROTO), equal([]byte{family}),
		&expr.Immediate{Register: 1, Data: address},
		&expr.Immediate{Register: 2, Data: binaryutil.BigEndian.PutUint16(uint16(to.Port))},
		&expr.TProxy{Family: family, TableFamily: unix.NFPROTO_INET, RegAddr: 1, RegPort: 2},
		&expr.Verdict{Kind: expr.VerdictAccept},
	}
}

// notFirst matches every TCP packet but the first one of a connection, which has SYN without ACK (RFC
// 9293 section 3.1).
func notFirst() []expr.Any {
	const flags, syn, ack = 13, 0x02, 0x10
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: flags, Len: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{syn | ack}, Xor: []byte{0}},
		unequal([]byte{syn}),
	}
}

func meta(key expr.MetaKey) expr.Any { return &expr.Meta{Key: key, Register: 1} }
func equal(data []byte) expr.Any     { return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data} }
func unequal(data []byte) expr.Any   { return &expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: data} }

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
