package steer

import (
	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// baseChain is a base chain and its rules as data, in the order in which the kernel asks them. The
// functions that build one touch nothing; add puts it in place.
type baseChain struct {
	name     string
	kind     nftables.ChainType
	hook     *nftables.ChainHook
	priority *nftables.ChainPriority
	rules    [][]expr.Any
}

// add adds the chain to a table that is being made on conn.
func (b baseChain) add(conn *nftables.Conn, table *nftables.Table) *nftables.Chain {
	chain := conn.AddChain(&nftables.Chain{
		Name: b.name, Table: table, Type: b.kind, Hooknum: b.hook, Priority: b.priority,
	})
	for _, exprs := range b.rules {
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: exprs})
	}
	return chain
}

// ownedTable is a table that the kernel removes when the socket of conn is closed, at the latest with
// the process (NFT_TABLE_F_OWNER, Linux 5.12).
func ownedTable(conn *nftables.Conn, name string) *nftables.Table {
	return conn.CreateTable(&nftables.Table{
		Name: name, Family: nftables.TableFamilyINet, Flags: nftables.TableFlagOwner,
	})
}

// Offsets in a TCP header (RFC 9293 section 3.1).
const (
	sourcePort      = 0
	destinationPort = 2
	controlBits     = 13
)

func meta(key expr.MetaKey) expr.Any { return &expr.Meta{Key: key, Register: 1} }
func equal(data []byte) expr.Any     { return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data} }
func unequal(data []byte) expr.Any   { return &expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: data} }
func acceptIt() expr.Any             { return &expr.Verdict{Kind: expr.VerdictAccept} }

// transport loads bytes of the TCP header.
func transport(offset, length uint32) expr.Any {
	return &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: length}
}

// portIs matches the source or the destination port.
func portIs(offset uint32, port int) []expr.Any {
	return []expr.Any{transport(offset, 2), equal(binaryutil.BigEndian.PutUint16(uint16(port)))}
}

// acceptMarked lets the packets of our own sockets pass that have this mark (SO_MARK).
func acceptMarked(mark uint32) []expr.Any {
	return []expr.Any{meta(expr.MetaKeyMARK), equal(binaryutil.NativeEndian.PutUint32(mark)), acceptIt()}
}

// acceptAllButTCP lets everything else than TCP pass.
func acceptAllButTCP() []expr.Any {
	return []expr.Any{meta(expr.MetaKeyL4PROTO), unequal([]byte{unix.IPPROTO_TCP}), acceptIt()}
}

// notFirst matches every TCP packet but the first one of a connection, which has SYN without ACK (RFC
// 9293 section 3.1).
func notFirst() []expr.Any {
	const syn, ack = 0x02, 0x10
	return []expr.Any{
		transport(controlBits, 1),
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{syn | ack}, Xor: []byte{0}},
		unequal([]byte{syn}),
	}
}

// rule joins parts of a rule into a new slice.
func rule(parts ...[]expr.Any) []expr.Any {
	var exprs []expr.Any
	for _, part := range parts {
		exprs = append(exprs, part...)
	}
	return exprs
}
