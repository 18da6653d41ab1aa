package steer

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Calls gives the open connections from this network namespace to any of the addresses, with a
// caller only its own.
func Calls(to []netip.AddrPort, caller *Caller) ([]Connection, error) {
	var own map[uint32]bool
	if caller != nil {
		own, _ = caller.sockets() // none when it has ended
	}
	var found []Connection
	err := eachSocket(func(line string) {
		state, c, ok := readConnection(line)
		if ok && state == established && slices.Contains(to, c.Remote) && (caller == nil || own[inode(line)]) {
			found = append(found, c)
		}
	})
	return found, err
}

// inode reads the tenth field of a line; 0 is none.
func inode(line string) uint32 {
	fields := strings.Fields(line)
	if len(fields) < 10 {
		return 0
	}
	n, err := strconv.ParseUint(fields[9], 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}
