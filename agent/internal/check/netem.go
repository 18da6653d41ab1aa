package check

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
)

// tryNetem puts a netem qdisc on an interface of its own: a dummy, or a pair of veth where the kernel
// has no dummy.
func tryNetem() (err error) {
	link, err := throwAwayLink()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, netlink.LinkDel(link)) }()
	return netlink.QdiscAdd(netlink.NewNetem(
		netlink.QdiscAttrs{LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
		netlink.NetemQdiscAttrs{Latency: 1000},
	))
}

func throwAwayLink() (netlink.Link, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = fmt.Sprintf("chaoschk%d", os.Getpid()%100000)
	links := []netlink.Link{
		&netlink.Dummy{LinkAttrs: attrs},
		&netlink.Veth{LinkAttrs: attrs, PeerName: attrs.Name + "p"},
	}
	var failed error
	for _, link := range links {
		err := netlink.LinkAdd(link)
		if err == nil {
			made, err := netlink.LinkByName(attrs.Name)
			return made, err
		}
		failed = errors.Join(failed, fmt.Errorf("a %s interface: %w", link.Type(), err))
	}
	return nil, failed
}
