package steer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
)

// markOutbound is on the agent's own calls to a dependency. It is another one than mark, so that a
// fault on the dependency's own port, in the same network namespace, still reaches these calls.
const markOutbound = mark + 1

// OutRules steer the calls to one dependency. The kernel removes them when the agent dies.
type OutRules struct {
	conn  *nftables.Conn
	table *nftables.Table
	chain *nftables.Chain
	alive *Alive
	ports redirected
}

// OpenOutRules opens the socket for the rules and installs nothing yet. Open it before the listeners:
// the kernel closes the files of a killed process from the last to the first. When the table goes
// before the connections, their callers do not hear of the end.
func OpenOutRules() (*OutRules, error) {
	conn, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return nil, explain(err)
	}
	return &OutRules{conn: conn}, nil
}

// Intercept steers new TCP connections from this network namespace to any of the addresses into the
// listeners. Connections that are open already are left alone.
func (r *OutRules) Intercept(to []netip.AddrPort, listeners *Listeners) error {
	ports, err := listeners.ports(to)
	if err != nil {
		return err
	}
	// The agent before this one may still drain, so each one has a table of its own.
	r.table = ownedTable(r.conn, fmt.Sprintf("chaos-agent-calls-%08x", rand.Uint32()))
	alive, err := AddAlive(r.conn, r.table)
	if err != nil {
		return explain(err)
	}
	r.chain = outbound(to, ports, alive).add(r.conn, r.table)
	if err := r.conn.Flush(); err != nil {
		return explain(err)
	}
	r.alive, r.ports = alive, ports
	alive.Keep()
	return nil
}

// Empty takes the rules away but leaves what still translates the addresses of connections that were
// intercepted earlier: a NAT chain, and one expression that makes the kernel track connections.
// Without either of them these connections would hang, because their packets would no longer arrive.
func (r *OutRules) Empty() error {
	r.alive.Lock()
	defer r.alive.Unlock()
	r.conn.FlushChain(r.chain)
	r.conn.AddRule(&nftables.Rule{Table: r.table, Chain: r.chain, Exprs: trackOnly()})
	return r.conn.Flush()
}

// Remove takes the table away, and thereby cuts the connections that still go through the agent.
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

// outbound redirects calls to each of the addresses to the port of loopback that has the same index in
// ports.
func outbound(to []netip.AddrPort, ports []int, alive *Alive) baseChain {
	rules := [][]expr.Any{
		acceptMarked(markOutbound),
		acceptMarked(mark),
		acceptAllButTCP(),
		// The kernel tracks connections only from now on, so it may see one that is open already as a
		// new one. Redirecting its next packet would cut it.
		rule(notFirst(), []expr.Any{acceptIt()}),
	}
	for i, destination := range to {
		rules = append(rules, rule(alive.If(), redirectCalls(destination, ports[i])))
	}
	return baseChain{
		"output", nftables.ChainTypeNAT, nftables.ChainHookOutput, nftables.ChainPriorityNATDest, rules,
	}
}

// trackOnly is a rule that changes nothing and makes the kernel track connections.
func trackOnly() []expr.Any { return []expr.Any{&expr.Ct{Key: expr.CtKeySTATE, Register: 1}} }

// redirectCalls sends what goes to one address to a port of loopback.
func redirectCalls(to netip.AddrPort, port int) []expr.Any {
	offset := uint32(16) // of the destination in an IPv4 header
	if to.Addr().Is6() {
		offset = 24
	}
	address := to.Addr().AsSlice()
	return rule([]expr.Any{
		meta(expr.MetaKeyNFPROTO), equal([]byte{familyOf(to.Addr())}),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(len(address))},
		equal(address),
	}, portIs(destinationPort, int(to.Port())), []expr.Any{
		&expr.Immediate{Register: 1, Data: binaryutil.BigEndian.PutUint16(uint16(port))},
		&expr.Redir{RegisterProtoMin: 1},
	})
}
