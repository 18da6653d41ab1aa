package steer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"chaosgo/agent/internal/spec"
)

const (
	// Each return path has a number. returnBase plus the number is its mark and its routing table.
	returnBase = 0x0da80000
	// returnPriority puts the routing rules behind that of the table local and before that of main.
	returnPriority = 3496
	// loopback is the index of lo in every network namespace.
	loopback = 1
)

var families = []int{unix.AF_INET, unix.AF_INET6}

// ReturnPath brings the answers of a service back to the agent when the agent has connected to the
// service from the address of a client. These packets would otherwise leave the host, or find the
// socket of the client itself. So they get a mark, and a routing rule delivers packets with that mark
// on this host (Documentation/networking/tproxy.rst of the kernel).
//
// The kernel does not remove routing rules with their process. A rule that is left behind has no
// effect, because nothing sets its mark any more. The next agent removes it (RemoveStaleReturnPaths).
type ReturnPath struct {
	number int
	lock   *Lock
	conn   *nftables.Conn
	table  *nftables.Table
	next   atomic.Uint32 // the port to dial from next
}

// OpenReturnPath opens the path for one port of a service.
func OpenReturnPath(port int) (*ReturnPath, error) {
	RemoveStaleReturnPaths()
	p := &ReturnPath{}
	p.next.Store(rand.Uint32N(1 << 16))
	if err := p.takeNumber(); err != nil {
		return nil, err
	}
	err := p.addTable(port)
	if err == nil {
		err = p.addRouting()
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Close removes the path. Connections that still use it would hang afterwards.
func (p *ReturnPath) Close() {
	removeRouting(p.number)
	if p.conn != nil {
		p.conn.DelTable(p.table)
		p.conn.Flush()        //nolint:errcheck // closing the socket that owns the table removes it anyway
		p.conn.CloseLasting() //nolint:errcheck // same
	}
	p.lock.Release()
}

// RemoveStaleReturnPaths removes the routing of agents that were killed.
func RemoveStaleReturnPaths() {
	for _, family := range families {
		rules, err := netlink.RuleList(family)
		if err != nil {
			continue // the host lacks this family
		}
		for _, rule := range rules {
			number := int(rule.Mark) - returnBase
			if rule.Priority == returnPriority && 0 <= number && number < 1<<16 && !isHeld(returnPlace(number)) {
				removeRouting(number)
			}
		}
	}
}

func returnPlace(number int) string { return fmt.Sprintf("return/%d", number) }

// takeNumber takes the first number that no living agent has. It begins with one that is likely to be
// free.
func (p *ReturnPath) takeNumber() error {
	var err error
	for i := range 100 {
		p.number = (os.Getpid() + i) & 0xffff
		if p.lock, err = Take(returnPlace(p.number), "a return path"); err == nil {
			return nil
		}
	}
	return err
}

func (p *ReturnPath) mark() uint32 { return uint32(returnBase + p.number) }

func (p *ReturnPath) addTable(port int) error {
	conn, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return explain(err)
	}
	p.conn = conn
	p.table = ownedTable(conn, fmt.Sprintf("chaos-agent-return-%d", p.number))
	returning(port, p.mark()).add(conn, p.table)
	if err := conn.Flush(); err != nil {
		return explain(err)
	}
	return nil
}

// returning marks the answers of a service on port to the connections that we open from the addresses
// of clients. The first rule is for our packets to the service, which carry returnMark. It copies the
// mark to the entry of the connection (ct mark), and puts mark in its place, so that inbound lets the
// packet pass. The second rule marks answers on such connections only; clients that are connected
// directly get theirs as before.
func returning(port int, returnMark uint32) baseChain {
	returned := binaryutil.NativeEndian.PutUint32(returnMark)
	setMark := func(to []byte) []expr.Any {
		return []expr.Any{
			&expr.Immediate{Register: 1, Data: to},
			&expr.Meta{Key: expr.MetaKeyMARK, Register: 1, SourceRegister: true},
		}
	}
	tcp := []expr.Any{meta(expr.MetaKeyL4PROTO), equal([]byte{unix.IPPROTO_TCP})}
	toService := rule(
		[]expr.Any{meta(expr.MetaKeyMARK), equal(returned)}, tcp, portIs(destinationPort, port),
		[]expr.Any{
			&expr.Immediate{Register: 1, Data: returned},
			&expr.Ct{Key: expr.CtKeyMARK, Register: 1, SourceRegister: true},
		},
		setMark(binaryutil.NativeEndian.PutUint32(mark)),
	)
	fromService := rule(
		tcp, portIs(sourcePort, port),
		[]expr.Any{&expr.Ct{Key: expr.CtKeyMARK, Register: 1}, equal(returned)},
		setMark(returned),
	)
	return baseChain{
		"output", nftables.ChainTypeRoute, nftables.ChainHookOutput, nftables.ChainPriorityMangle,
		[][]expr.Any{toService, fromService},
	}
}

// addRouting delivers packets with the mark on this host. A host may lack one family: then no client
// uses it.
func (p *ReturnPath) addRouting() error {
	var failed error
	added := 0
	for _, family := range families {
		err := netlink.RouteReplace(returnRoute(family, p.number))
		if err == nil {
			err = netlink.RuleAdd(returnRule(family, p.number))
		}
		if err == nil {
			added++
		} else {
			failed = err
		}
	}
	if added == 0 {
		return spec.CannotRun("cannot route answers back: "+failed.Error(), "leave keep_client_address out")
	}
	return nil
}

func removeRouting(number int) {
	for _, family := range families {
		netlink.RuleDel(returnRule(family, number))   //nolint:errcheck // it is not there: a host without the family
		netlink.RouteDel(returnRoute(family, number)) //nolint:errcheck // same
	}
}

func returnRule(family, number int) *netlink.Rule {
	rule := netlink.NewRule()
	rule.Family, rule.Priority = family, returnPriority
	rule.Mark, rule.Table = uint32(returnBase+number), returnBase+number
	return rule
}

func returnRoute(family, number int) *netlink.Route {
	everything := &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}
	if family == unix.AF_INET6 {
		everything = &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}
	}
	return &netlink.Route{
		Family: family, LinkIndex: loopback, Dst: everything, Table: returnBase + number,
		Type: unix.RTN_LOCAL, Scope: unix.RT_SCOPE_HOST,
	}
}

// Dial connects to the destination of an intercepted client, from the address of the client. The port
// is another one than that of the client: connection tracking would take the same port for the
// intercepted connection. It is below the range from which clients take their ports, so it is free on
// the side of the client too. When no port is free, because this client left all of them in TIME_WAIT
// within a minute, Dial connects from our address: a wrong address is better than a connection that is
// cut.
func (p *ReturnPath) Dial(client, to *net.TCPAddr) (*net.TCPConn, error) {
	const tries, first, ports = 16, 10240, 32768 - 10240
	from := &net.TCPAddr{IP: client.IP, Zone: client.Zone}
	for range tries {
		from.Port = first + int(p.next.Add(1))%ports
		c, err := p.dialFrom(from, to)
		if err == nil {
			return c, nil
		}
		if !errors.Is(err, unix.EADDRINUSE) && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return nil, fmt.Errorf("the service at %s for %s: %w", to, client, err)
		}
	}
	return DialService(to)
}

func (p *ReturnPath) dialFrom(from, to *net.TCPAddr) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: 10 * time.Second, LocalAddr: from, Control: p.standIn}
	c, err := dialPatiently(d, to.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// standIn lets a socket have an address that is not of this host, and marks what the socket sends.
func (p *ReturnPath) standIn(network, address string, raw syscall.RawConn) error {
	if err := transparent(network, address, raw); err != nil {
		return err
	}
	return setOption(raw, unix.SOL_SOCKET, unix.SO_MARK, int(p.mark()))
}
