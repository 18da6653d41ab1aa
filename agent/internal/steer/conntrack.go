package steer

import (
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// redirected are the ports of the listeners to which calls were redirected.
type redirected []int

// MatchConntrackFlow selects the entries of these calls. It implements a filter of package netlink.
func (ports redirected) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	answers := flow.Reverse
	return answers.Protocol == unix.IPPROTO_TCP && answers.SrcIP.IsLoopback() &&
		slices.Contains(ports, int(answers.SrcPort)) && answers.SrcPort != flow.Forward.DstPort
}

// forget removes the entries of these calls from connection tracking, once the addresses are no longer
// translated. The kernel would keep them for minutes. When the next fault makes the kernel track
// connections again, such an entry would send a new connection from the same client port to a listener
// that is closed.
func (ports redirected) forget() {
	for _, family := range families {
		// A kernel without nf_conntrack_netlink keeps the entries.
		netlink.ConntrackDeleteFilters(netlink.ConntrackTable, netlink.InetFamily(family), ports) //nolint:errcheck // see above
	}
}
