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
	// returnBase + a number of its own is the mark, and the routing table, of each return path.
	returnBase = 0x0da80000
	// returnPriority of the routing rules: behind that of `local`, before that of `main`.
	returnPriority = 3496
	// loopback is the index of lo in every network namespace.
	loopback = 1
)

var families = []int{unix.AF_INET, unix.AF_INET6}

// ReturnPath leads what a service sends to clients whose address we have taken back to us. These
// packets would leave the host, or find the client's own socket; so they get a mark, and a routing
// rule delivers here what has it (Documentation/networking/tproxy.rst of the kernel).
//
// A rule has no owner who takes it along. Left behind it is inert, as nothing sets its mark any
// more; the watch for it is the next agent's, see RemoveStaleReturnPaths.
type ReturnPath struct {
	number int
	lock   *Lock
	conn   *nftables.Conn
	table  *nftables.Table
	next   atomic.Uint32 // port to dial from
}

// OpenReturnPath puts the path for one port of a service in place.
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

// Close removes the path. Connections that use it would hang then.
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
			continue // a host without the family has none
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

// takeNumber takes the first one that no living agent has, beginning with one that is likely free.
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

// returning marks what a service on port sends to clients whose address we have taken. Our own
// connections to the service carry returnMark when they come here; the rule notes it in the entry of
// the connection (ct mark) and replaces it by mark, so that inbound lets them pass. The entry then
// tells the answers of the service to us from those to clients that are connected directly.
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

// addRouting delivers here what has the mark. A host may lack one family: no client comes from it.
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

// Dial connects to where an intercepted client wanted to go, from the client's address. The port is
// another one: to connection tracking, the client's own would be the connection that was
// intercepted. It lies below the range that clients take theirs from, so it is free on the client's
// side as well. When none is found, because this client alone has left all of them in TIME_WAIT within
// a minute, it connects from our address: better than a client that is cut because of us.
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

// standIn lets a socket have an address that is not of this host, and marks what it sends.
func (p *ReturnPath) standIn(network, address string, raw syscall.RawConn) error {
	if err := transparent(network, address, raw); err != nil {
		return err
	}
	return setOption(raw, unix.SOL_SOCKET, unix.SO_MARK, int(p.mark()))
}
