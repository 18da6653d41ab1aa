package nfqueue

import (
	"encoding/binary"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"chaosgo/agent/internal/pulse"
)

// Of linux/netfilter/nfnetlink_queue.h.
const (
	messagePacket = unix.NFNL_SUBSYS_QUEUE << 8

	attributePacket     = 1 // packet id, protocol, hook
	attributePayload    = 10
	attributeCapturedOf = 13 // the size of a packet of which only a part was copied
)

// Packet is one packet that waits for a verdict. It is valid only while it is judged.
type Packet struct {
	// ID names the packet to Give.
	ID uint32
	// Payload has the first bytes of the packet, from the IP header on, as many as Options.Copy says.
	Payload []byte
	// Size is the size of the whole packet in bytes.
	Size int
}

// run judges packets until the queue is closed.
func (q *Queue) run(judge func(*Packet) Verdict) {
	loop := pulse.Watch()
	defer loop.Leave()
	for q.waitOneInterval() {
		loop.Sign()
		var n int
		var failed error
		err := q.raw.Read(func(fd uintptr) bool {
			n, _, failed = unix.Recvfrom(int(fd), q.buffer, unix.MSG_DONTWAIT)
			return !errors.Is(failed, unix.EAGAIN)
		})
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
		case err != nil:
			return
		case failed == nil:
			q.eachPacket(q.buffer[:n], judge)
		case !errors.Is(failed, unix.EINTR) && !errors.Is(failed, unix.ENOBUFS):
			time.Sleep(time.Millisecond)
		}
	}
}

// waitOneInterval bounds the next read, so that the loop can sign in time. It returns false when the
// queue is closing.
func (q *Queue) waitOneInterval() (open bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closing {
		return false
	}
	q.conn.SetReadDeadline(time.Now().Add(pulse.Interval)) //nolint:errcheck // reading fails with the same error
	return true
}

// eachPacket judges every packet of one datagram.
func (q *Queue) eachPacket(datagram []byte, judge func(*Packet) Verdict) {
	for len(datagram) >= netlinkHeader+nfnetlinkHeader {
		size := int(binary.NativeEndian.Uint32(datagram))
		if size < netlinkHeader+nfnetlinkHeader || size > len(datagram) {
			return
		}
		if binary.NativeEndian.Uint16(datagram[4:]) == messagePacket {
			if p, ok := readPacket(datagram[netlinkHeader+nfnetlinkHeader : size]); ok {
				q.last = p.ID
				q.answer(&p, judge(&p))
			}
		}
		datagram = datagram[min(aligned(size), len(datagram)):]
	}
}

// answer sends the verdict on a packet. A queue that is closed needs none.
func (q *Queue) answer(p *Packet, v Verdict) {
	var payload []byte // nil leaves the packet's
	final := uint32(kernelAccept)
	switch v {
	case Later:
		return
	case Drop:
		final = kernelDrop
	case AcceptChanged:
		payload = p.Payload
	}
	q.verdict = appendVerdict(q.verdict[:0], messageVerdict, q.number, final, p.ID, payload)
	q.send(q.verdict) //nolint:errcheck // see above
}

// readPacket reads the attributes of a message with a packet.
func readPacket(attributes []byte) (p Packet, ok bool) {
	for len(attributes) >= attributeHead {
		size := int(binary.NativeEndian.Uint16(attributes))
		kind := binary.NativeEndian.Uint16(attributes[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
		if size < attributeHead || size > len(attributes) {
			return Packet{}, false
		}
		data := attributes[attributeHead:size:size]
		switch {
		case kind == attributePacket && len(data) >= 4:
			p.ID, ok = binary.BigEndian.Uint32(data), true
		case kind == attributePayload:
			p.Payload = data
		case kind == attributeCapturedOf && len(data) >= 4:
			p.Size = int(binary.BigEndian.Uint32(data))
		}
		attributes = attributes[min(aligned(size), len(attributes)):]
	}
	p.Size = max(p.Size, len(p.Payload))
	return p, ok
}
