package steer

import (
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// redirected are calls that were led to any of these ports.
type redirected []int

// MatchConntrackFlow is what netlink asks.
func (ports redirected) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	answers := flow.Reverse
	return answers.Protocol == unix.IPPROTO_TCP && answers.SrcIP.IsLoopback() &&
		slices.Contains(ports, int(answers.SrcPort)) && answers.SrcPort != flow.Forward.DstPort
}

// forget makes the kernel forget these calls once nobody translates their addresses any more. It keeps
// them for minutes, and when connections are tracked again, as the next fault has it, an entry would
// lead a connection that comes from the same port of the client to a listener that is gone.
func (ports redirected) forget() {
	for _, family := range families {
		// A kernel without nf_conntrack_netlink keeps them.
		netlink.ConntrackDeleteFilters(netlink.ConntrackTable, netlink.InetFamily(family), ports) //nolint:errcheck // see above
	}
}
