package steer

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"chaosgo/agent/internal/nfqueue"
	"chaosgo/agent/internal/spec"
)

// elementsAtOnce bounds the elements in one message: a netlink attribute has at most 64 KiB.
const elementsAtOnce = 500

// QueueRules lead the packets of certain connections to two queues, one for each direction; each
// packet goes to one queue once. The packets pass when nobody reads the queues (bypass) or the agent
// hangs. Each exported method holds the lock of the table.
type QueueRules struct {
	conn     *nftables.Conn
	table    *nftables.Table
	alive    *Alive
	chains   []*nftables.Chain
	families []*family
}

// family is what differs between IPv4 and IPv6.
type family struct {
	protocol                    byte // NFPROTO_...
	source, destination, length uint32
	port                        uint32 // the register that follows the address
	clients                     *nftables.Set
}

// path is where the packets of one direction pass the kernel.
type path struct {
	chain      string
	hook       *nftables.ChainHook
	toServer   bool
	serverPort int
	queue      uint16
}

// QueueInbound queues the packets between these clients and the service on port, which is on this
// host.
func (r *Rules) QueueInbound(port int, toServer, toClient uint16, clients []netip.AddrPort) (*QueueRules, error) {
	q := &QueueRules{conn: r.conn, table: r.table, alive: r.alive}
	return q, q.add(inboundPaths(port, toServer, toClient), clients)
}

// QueueOutbound queues the packets between these clients, which are on this host, and the server on
// port.
func (r *OutRules) QueueOutbound(port int, toServer, toClient uint16, clients []netip.AddrPort) (*QueueRules, error) {
	q := &QueueRules{conn: r.conn, table: r.table, alive: r.alive}
	return q, q.add(outboundPaths(port, toServer, toClient), clients)
}

func inboundPaths(port int, toServer, toClient uint16) []path {
	return []path{
		{chain: "taken-over-in", hook: nftables.ChainHookPrerouting, toServer: true, serverPort: port, queue: toServer},
		{chain: "taken-over-out", hook: nftables.ChainHookOutput, serverPort: port, queue: toClient},
	}
}

func outboundPaths(port int, toServer, toClient uint16) []path {
	return []path{
		{chain: "taken-over-out", hook: nftables.ChainHookOutput, toServer: true, serverPort: port, queue: toServer},
		{chain: "taken-over-in", hook: nftables.ChainHookInput, serverPort: port, queue: toClient},
	}
}

func (q *QueueRules) add(paths []path, clients []netip.AddrPort) error {
	q.alive.Lock()
	defer q.alive.Unlock()
	if err := q.addSets(clients); err != nil {
		return err
	}
	// The kernel may lack nft_queue and have the NFQUEUE target of iptables, or the other way round.
	err := q.addChains(paths, nfqueue.Statement)
	if err != nil {
		err = q.addChains(paths, nfqueue.StatementXT)
	}
	if err != nil {
		return errors.Join(spec.CannotRun("this kernel has no NFQUEUE: "+err.Error(), "load nft_queue or xt_NFQUEUE"), q.removeSets())
	}
	return nil
}

// addSets puts the clients into one set for each family.
func (q *QueueRules) addSets(clients []netip.AddrPort) (err error) {
	if q.families, err = familiesOf(q.table); err != nil {
		return err
	}
	for _, f := range q.families {
		if err := q.conn.AddSet(f.clients, nil); err != nil {
			return err
		}
	}
	if err := q.conn.Flush(); err != nil {
		return err
	}
	return q.eachBatch(clients, q.conn.SetAddElements)
}

// familiesOf returns IPv4 and IPv6, each with a set of clients in the table.
func familiesOf(table *nftables.Table) ([]*family, error) {
	v4, err4 := nftables.ConcatSetType(nftables.TypeIPAddr, nftables.TypeInetService)
	v6, err6 := nftables.ConcatSetType(nftables.TypeIP6Addr, nftables.TypeInetService)
	set := func(name string, key nftables.SetDatatype) *nftables.Set {
		return &nftables.Set{Table: table, Name: name, KeyType: key, Concatenation: true}
	}
	return []*family{
		{protocol: unix.NFPROTO_IPV4, source: 12, destination: 16, length: 4, port: unix.NFT_REG32_01, clients: set("clients4", v4)},
		{protocol: unix.NFPROTO_IPV6, source: 8, destination: 24, length: 16, port: unix.NFT_REG_2, clients: set("clients6", v6)},
	}, errors.Join(err4, err6)
}

func (q *QueueRules) removeSets() error {
	for _, f := range q.families {
		q.conn.DelSet(f.clients)
	}
	return q.conn.Flush()
}

// eachBatch changes the sets in portions.
func (q *QueueRules) eachBatch(clients []netip.AddrPort, change func(*nftables.Set, []nftables.SetElement) error) error {
	elements := make([][]nftables.SetElement, len(q.families))
	slices.SortFunc(clients, netip.AddrPort.Compare)
	for _, c := range slices.Compact(clients) {
		i := 0
		if c.Addr().Is6() {
			i = 1
		}
		key := append(c.Addr().AsSlice(), byte(c.Port()>>8), byte(c.Port()), 0, 0)
		elements[i] = append(elements[i], nftables.SetElement{Key: key})
	}
	for i, f := range q.families {
		for part := range slices.Chunk(elements[i], elementsAtOnce) {
			if err := change(f.clients, part); err != nil {
				return err
			}
			if err := q.conn.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (q *QueueRules) addChains(paths []path, statement func(number uint16) expr.Any) error {
	q.chains = nil
	for _, p := range paths {
		q.chains = append(q.chains, queueing(p, q.families, q.alive, statement).add(q.conn, q.table))
	}
	return q.conn.Flush()
}

// queueing leads the packets of the clients on one path to its queue.
func queueing(p path, families []*family, alive *Alive, statement func(number uint16) expr.Any) baseChain {
	chain := baseChain{name: p.chain, kind: nftables.ChainTypeFilter, hook: p.hook, priority: nftables.ChainPriorityMangle}
	for _, f := range families {
		matches := f.matches(p.toServer, p.serverPort)
		chain.rules = append(chain.rules, rule(alive.If(), matches, []expr.Any{statement(p.queue)}))
	}
	return chain
}

// matches selects the TCP packets of one direction between the server's port and the clients.
func (f *family) matches(toServer bool, serverPort int) []expr.Any {
	client, clientPort, server := f.destination, uint32(destinationPort), uint32(sourcePort)
	if toServer {
		client, clientPort, server = f.source, sourcePort, destinationPort
	}
	return rule([]expr.Any{meta(expr.MetaKeyNFPROTO), equal([]byte{f.protocol})}, portIs(server, serverPort), []expr.Any{
		&expr.Payload{DestRegister: unix.NFT_REG_1, Base: expr.PayloadBaseNetworkHeader, Offset: client, Len: f.length},
		&expr.Payload{DestRegister: f.port, Base: expr.PayloadBaseTransportHeader, Offset: clientPort, Len: 2},
		&expr.Lookup{SourceRegister: unix.NFT_REG_1, SetName: f.clients.Name, SetID: f.clients.ID},
	})
}

// Release takes connections out of the rules.
func (q *QueueRules) Release(clients []netip.AddrPort) error {
	q.alive.Lock()
	defer q.alive.Unlock()
	if q.chains == nil {
		return nil
	}
	return q.eachBatch(clients, q.conn.SetDeleteElements)
}

// Remove removes the rules. The chains stay until the table is removed: when a base chain is removed,
// the kernel drops all packets that wait in queues.
func (q *QueueRules) Remove() error {
	q.alive.Lock()
	defer q.alive.Unlock()
	for _, c := range q.chains {
		q.conn.FlushChain(c)
	}
	q.chains = nil
	return q.conn.Flush()
}
