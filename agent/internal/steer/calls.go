package steer

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Calls returns the open connections from this network namespace to any of the addresses; those of one
// process if caller is not nil.
func Calls(to []netip.AddrPort, caller *Caller) ([]Connection, error) {
	var own map[uint32]bool
	if caller != nil {
		own, _ = caller.sockets() // none when the process has ended
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

// inode reads the tenth field of a line. It returns 0 when there is none.
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
