package steer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// markOutbound tells the agent's calls to a dependency. It is not mark: a fault on the dependency's
// own port, in the same network namespace, meets these calls as it meets any other.
const markOutbound = mark + 1

// OutRules are the steering of the calls to one dependency. The kernel removes them with the agent,
// as it does Rules.
type OutRules struct {
	conn  *nftables.Conn
	table *nftables.Table
	chain *nftables.Chain
	alive *Alive
	ports redirected
}

// OpenOutRules prepares rules, with nothing in place yet. Open them before the listeners: a process
// that is killed closes its files from the last to the first, and the callers of connections that are
// closed after the table would not hear of it.
func OpenOutRules() (*OutRules, error) {
	conn, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return nil, explain(err)
	}
	return &OutRules{conn: conn}, nil
}

// Intercept steers new TCP connections from this network namespace to any of the addresses into the
// listeners. Connections that are open already keep their way.
func (r *OutRules) Intercept(to []netip.AddrPort, listeners *Listeners) error {
	ports, err := listeners.ports(to)
	if err != nil {
		return err
	}
	// The agent before this one may still drain, with a table of its own.
	r.table = r.conn.CreateTable(&nftables.Table{
		Name:   fmt.Sprintf("chaos-agent-http-out-%08x", rand.Uint32()),
		Family: nftables.TableFamilyINet,
		Flags:  nftables.TableFlagOwner,
	})
	r.chain = r.conn.AddChain(&nftables.Chain{
		Name: "output", Table: r.table, Type: nftables.ChainTypeNAT,
		Hooknum:  nftables.ChainHookOutput,
		Priority: nftables.ChainPriorityNATDest,
	})
	alive, err := AddAlive(r.conn, r.table)
	if err != nil {
		return explain(err)
	}
	for _, exprs := range outbound(to, ports, alive) {
		r.conn.AddRule(&nftables.Rule{Table: r.table, Chain: r.chain, Exprs: exprs})
	}
	if err := r.conn.Flush(); err != nil {
		return explain(err)
	}
	r.alive, r.ports = alive, ports
	alive.Keep()
	return nil
}

// Empty takes the rules away but leaves what translates the addresses of connections that were
// intercepted earlier: a NAT chain, and one expression that makes the kernel track connections.
// Without either of them these connections would hang, because nothing on them arrives any more.
func (r *OutRules) Empty() error {
	r.alive.Lock()
	defer r.alive.Unlock()
	r.conn.FlushChain(r.chain)
	r.conn.AddRule(&nftables.Rule{Table: r.table, Chain: r.chain, Exprs: []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
	}})
	return r.conn.Flush()
}

// Remove takes the table away. What still goes through the agent is cut.
func (r *OutRules) Remove() error {
	if r.alive == nil {
		return r.conn.CloseLasting()
	}
	r.alive.Stop()
	r.conn.DelTable(r.table)
	err := errors.Join(r.conn.Flush(), r.conn.CloseLasting())
	r.ports.forget()
	return err
}

// outbound is the rule set as data, in the order in which the kernel asks it.
func outbound(to []netip.AddrPort, ports []int, alive *Alive) [][]expr.Any {
	accept := &expr.Verdict{Kind: expr.VerdictAccept}
	rules := [][]expr.Any{
		// The agents' own connections, to the dependency and to a service behind an inbound fault.
		{meta(expr.MetaKeyMARK), equal(binaryutil.NativeEndian.PutUint32(markOutbound)), accept},
		{meta(expr.MetaKeyMARK), equal(binaryutil.NativeEndian.PutUint32(mark)), accept},
		{meta(expr.MetaKeyL4PROTO), unequal([]byte{unix.IPPROTO_TCP}), accept},
		// The kernel may see connections that are open already as new ones, because it tracks them
		// from now on only. Redirecting their next packet would cut them.
		append(notFirst(), accept),
	}
	for i, destination := range to {
		rules = append(rules, append(alive.If(), redirectCalls(destination, ports[i])...))
	}
	return rules
}

// redirectCalls sends what goes to one address to a port of loopback.
func redirectCalls(to netip.AddrPort, port int) []expr.Any {
	family, offset := byte(unix.NFPROTO_IPV4), uint32(16) // of the destination in an IPv4 header
	if to.Addr().Is6() {
		family, offset = unix.NFPROTO_IPV6, 24
	}
	address := to.Addr().AsSlice()
	return []expr.Any{
		meta(expr.MetaKeyNFPROTO), equal([]byte{family}),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(len(address))},
		equal(address),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		equal(binaryutil.BigEndian.PutUint16(to.Port())),
		&expr.Immediate{Register: 1, Data: binaryutil.BigEndian.PutUint16(uint16(port))},
		&expr.Redir{RegisterProtoMin: 1},
	}
}
