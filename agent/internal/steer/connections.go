package steer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"chaosgo/agent/internal/spec"
)

// Connection is one end of a TCP connection in this network namespace.
type Connection struct {
	Local, Remote netip.AddrPort
}

// Accepted returns the connections to a local port that are established or about to be.
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

// readAddress reads IP:PORT in hex. The IP is written as one or four 32-bit words in the byte order of
// this machine. An IPv4 address inside of IPv6 is returned as IPv4, as it is in the packets.
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

// Abort resets a connection from its local end. It is no error when the connection has ended
// meanwhile.
func Abort(c Connection) error {
	err := destroy(c)
	if err == nil {
		return nil
	}
	switch {
	case errors.Is(err, unix.ENOENT):
		// ENOENT has two meanings: the connection is gone, or the kernel lacks the module that looks it
		// up.
		if !isOpen(c) {
			return nil
		}
		return spec.CannotRun(fmt.Sprintf("the kernel does not find the connection of %s: %v", c.Remote, err),
			"load the module tcp_diag")
	case errors.Is(err, unix.EPERM):
		return spec.CannotRun(fmt.Sprintf("CAP_NET_ADMIN is missing to reset the connection of %s: %v", c.Remote, err),
			"run as root")
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
		return spec.CannotRun(fmt.Sprintf("this kernel resets no connections: %v", err),
			"use a kernel with CONFIG_INET_DIAG_DESTROY")
	}
	return spec.CannotRun(fmt.Sprintf("the connection of %s cannot be reset: %v", c.Remote, err), "run `chaos-agent check` there")
}

// isOpen reports whether a connection is established, and true when that cannot be found out.
func isOpen(c Connection) bool {
	found := false
	err := eachSocket(func(line string) {
		state, other, ok := readConnection(line)
		found = found || ok && state == established && other == c
	})
	return found || err != nil
}
