package steer

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Calls counts the open connections from this network namespace to any of the addresses, with a
// caller only its own.
func Calls(to []netip.AddrPort, caller *Caller) int {
	var own map[uint32]bool
	if caller != nil {
		own, _ = caller.sockets() // none when it has ended
	}
	n := 0
	for _, name := range []string{"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"} {
		f, err := os.Open(name)
		if err != nil {
			continue // a host without IPv6
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			remote, inode, ok := call(lines.Text())
			if ok && slices.Contains(to, remote) && (caller == nil || own[inode]) {
				n++
			}
		}
		f.Close() //nolint:errcheck // read only
	}
	return n
}

// call reads from one line, see localPort, to where an established connection goes, and its inode.
func call(line string) (to netip.AddrPort, inode uint32, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 10 || fields[3] != "01" {
		return to, 0, false
	}
	host, port, _ := strings.Cut(fields[2], ":")
	address, err := hex.DecodeString(host)
	if err != nil || len(address)%4 != 0 {
		return to, 0, false
	}
	for word := range slices.Chunk(address, 4) { // printed as numbers of this machine
		binary.BigEndian.PutUint32(word, binary.NativeEndian.Uint32(word))
	}
	ip, _ := netip.AddrFromSlice(address)
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return to, 0, false
	}
	id, err := strconv.ParseUint(fields[9], 10, 32)
	return netip.AddrPortFrom(ip.Unmap(), uint16(number)), uint32(id), err == nil
}
