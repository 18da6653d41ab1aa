package steer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"chaosgo/agent/internal/spec"
)

// resolveTime bounds the look-up of a host name.
const resolveTime = 5 * time.Second

// soOriginalDst is SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST (linux/netfilter_ipv4.h, _ipv6/ip6_tables.h).
const soOriginalDst = 80

// errNotIntercepted means that the client dialled the listener itself.
var errNotIntercepted = errors.New("the connection was not intercepted")

// Resolve returns every address of "HOST:PORT", sorted and without duplicates. Names are looked up
// once, where the agent runs.
func Resolve(to string) ([]netip.AddrPort, error) {
	host, portText, err := net.SplitHostPort(to)
	if err != nil {
		return nil, spec.Bad("way.to", to, err.Error(), "give one like users:8082")
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, spec.Bad("way.to", to, err.Error(), "give one like users:8082")
	}
	ctx, cancel := context.WithTimeout(context.Background(), resolveTime)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(found) == 0 {
		return nil, spec.Bad("way.to", to, fmt.Sprintf("%s has no address here: %v", host, err),
			"give the name that the caller uses, as /etc/hosts or DNS know it where the agent runs, or an address")
	}
	var all []netip.AddrPort
	for _, address := range found {
		all = append(all, netip.AddrPortFrom(address.Unmap().WithZone(""), uint16(port)))
	}
	slices.SortFunc(all, netip.AddrPort.Compare)
	return slices.Compact(all), nil
}

// originalDestination returns the address that the client of a redirected connection has dialled.
func originalDestination(c *net.TCPConn) (netip.AddrPort, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return netip.AddrPort{}, err
	}
	local := c.LocalAddr().(*net.TCPAddr).AddrPort()
	var to netip.AddrPort
	var failed error
	err = raw.Control(func(fd uintptr) {
		if local.Addr().Is4() {
			to, failed = originalIPv4(int(fd))
		} else {
			to, failed = originalIPv6(int(fd))
		}
	})
	if err := errors.Join(err, failed); err != nil {
		return netip.AddrPort{}, err
	}
	if to == local {
		return netip.AddrPort{}, errNotIntercepted
	}
	return to, nil
}

// originalIPv4 reads a struct sockaddr_in. It uses the getter of another option, whose struct is large
// enough.
func originalIPv4(fd int) (netip.AddrPort, error) {
	holder, err := unix.GetsockoptIPv6Mreq(fd, unix.SOL_IP, soOriginalDst)
	if err != nil {
		return netip.AddrPort{}, err
	}
	sockaddr := holder.Multiaddr
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(sockaddr[4:8])), binary.BigEndian.Uint16(sockaddr[2:4])), nil
}

// originalIPv6 reads a struct sockaddr_in6, which is the first part of struct ip6_mtuinfo.
func originalIPv6(fd int) (netip.AddrPort, error) {
	holder, err := unix.GetsockoptIPv6MTUInfo(fd, unix.SOL_IPV6, soOriginalDst)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port := binary.NativeEndian.AppendUint16(nil, holder.Addr.Port) // as it was on the wire
	return netip.AddrPortFrom(netip.AddrFrom16(holder.Addr.Addr), binary.BigEndian.Uint16(port)), nil
}
