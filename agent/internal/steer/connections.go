package steer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"chaosgo/agent/internal/spec"
)

// Connection is one end of a TCP connection in this network namespace.
type Connection struct {
	Local, Remote netip.AddrPort
}

// Accepted gives the connections whose local port is port and that a client can send requests on,
// or is about to.
func Accepted(port int) ([]Connection, error) {
	var found []Connection
	err := eachSocket(func(line string) {
		state, c, ok := readConnection(line)
		if ok && (state == established || state == synReceived) && int(c.Local.Port()) == port {
			found = append(found, c)
		}
	})
	return found, err
}

// readConnection reads one line: "sl local_address rem_address st ...".
func readConnection(line string) (state uint64, c Connection, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 4 {
		return 0, Connection{}, false
	}
	state, err := strconv.ParseUint(fields[3], 16, 8)
	local, okLocal := readAddress(fields[1])
	remote, okRemote := readAddress(fields[2])
	return state, Connection{Local: local, Remote: remote}, err == nil && okLocal && okRemote
}

// readAddress reads IP:PORT: each four bytes of the IP as a number of this machine, the port as a
// number, all in hex. IPv4 inside of IPv6 comes out as the IPv4 that is in the packets.
func readAddress(field string) (netip.AddrPort, bool) {
	ip, port, _ := strings.Cut(field, ":")
	p, err := strconv.ParseUint(port, 16, 16)
	if err != nil || len(ip) != 8 && len(ip) != 32 {
		return netip.AddrPort{}, false
	}
	var raw []byte
	for ; ip != ""; ip = ip[8:] {
		word, err := strconv.ParseUint(ip[:8], 16, 32)
		if err != nil {
			return netip.AddrPort{}, false
		}
		raw = binary.NativeEndian.AppendUint32(raw, uint32(word))
	}
	address, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(address.Unmap(), uint16(p)), true
}

// Abort resets a connection from its local end (SOCK_DESTROY of sock_diag(7)). One that has ended
// meanwhile is fine.
func Abort(c Connection) error {
	err := netlink.SocketDestroy(net.TCPAddrFromAddrPort(c.Local), net.TCPAddrFromAddrPort(c.Remote))
	switch {
	case err == nil, errors.Is(err, unix.ENOENT):
		return nil
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
		return spec.Bad("http.existing", "reset", fmt.Sprintf("this kernel resets no connections: %v", err),
			"use a kernel with CONFIG_INET_DIAG_DESTROY, or takeover or leave")
	}
	return spec.Bad("http.existing", "reset", fmt.Sprintf("the connection of %s cannot be reset: %v", c.Remote, err),
		"run with CAP_NET_ADMIN and tcp_diag loaded, or use takeover or leave")
}
