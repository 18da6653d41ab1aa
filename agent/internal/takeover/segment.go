package takeover

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Flow names one TCP connection. The client is the side that sends requests, on whichever host it is.
type Flow struct {
	Client, Server netip.AddrPort
}

const (
	synFlag = 1 << 1

	shortestTCP    = 20
	checksumOffset = 16 // in the TCP header
)

// segment is one TCP segment inside an IP packet.
type segment struct {
	source, destination netip.AddrPort
	seq                 uint32
	flags               byte
	length              int    // size of the payload on the wire
	payload             []byte // the part of it that was copied to us
	tcp                 []byte // header and payload
	addresses           []byte // source and destination, as in the IP header
}

// parse reads a packet of which size bytes are on the wire. ok is false for everything but plain TCP:
// for fragments, IPv6 extension headers and incomplete headers.
func parse(packet []byte, size int) (s segment, ok bool) {
	if len(packet) == 0 {
		return segment{}, false
	}
	header, addressSize := 40, 16
	switch packet[0] >> 4 {
	case 4:
		header, addressSize = int(packet[0]&15)*4, 4
		const fragment = 0x3fff // more fragments, or not the first one
		if len(packet) < 20 || header < 20 || packet[9] != unix.IPPROTO_TCP || binary.BigEndian.Uint16(packet[6:])&fragment != 0 {
			return segment{}, false
		}
		s.addresses = packet[12:20]
	case 6:
		if len(packet) < 40 || packet[6] != unix.IPPROTO_TCP {
			return segment{}, false
		}
		s.addresses = packet[8:40]
	default:
		return segment{}, false
	}
	if len(packet) < header+shortestTCP {
		return segment{}, false
	}
	s.tcp = packet[header:]
	data := int(s.tcp[12]>>4) * 4
	if data < shortestTCP || data > len(s.tcp) || size < header+data {
		return segment{}, false
	}
	source, _ := netip.AddrFromSlice(s.addresses[:addressSize])
	destination, _ := netip.AddrFromSlice(s.addresses[addressSize:])
	s.source = netip.AddrPortFrom(source, binary.BigEndian.Uint16(s.tcp))
	s.destination = netip.AddrPortFrom(destination, binary.BigEndian.Uint16(s.tcp[2:]))
	s.seq = binary.BigEndian.Uint32(s.tcp[4:])
	s.flags = s.tcp[13]
	s.length, s.payload = size-header-data, s.tcp[data:]
	return s, true
}

// end is the sequence number that follows the payload.
func (s *segment) end() uint32 { return s.seq + uint32(s.length) }

// isWhole reports whether the whole segment was copied and its checksum is correct. Only then it may
// get a new checksum, because a damaged segment must stay damaged.
func (s *segment) isWhole() bool {
	return s.length == len(s.payload) && s.sum() == 0xffff
}

// seal recalculates the checksum after a change.
func (s *segment) seal() {
	binary.BigEndian.PutUint16(s.tcp[checksumOffset:], 0)
	binary.BigEndian.PutUint16(s.tcp[checksumOffset:], ^s.sum())
}

// sum adds up the segment and its pseudo header (RFC 9293 section 3.1). The result is 0xffff when the
// checksum is correct.
func (s *segment) sum() uint16 {
	total := uint64(unix.IPPROTO_TCP) + uint64(len(s.tcp))
	for _, b := range [][]byte{s.addresses, s.tcp} {
		for ; len(b) >= 2; b = b[2:] {
			total += uint64(binary.BigEndian.Uint16(b))
		}
		if len(b) == 1 {
			total += uint64(b[0]) << 8
		}
	}
	for total>>16 != 0 {
		total = total&0xffff + total>>16
	}
	return uint16(total)
}

// before compares sequence numbers, which wrap around (RFC 9293 section 3.4).
func before(a, b uint32) bool { return int32(a-b) < 0 }
