package nfqueue

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Verdict is the decision on one packet.
type Verdict uint8

// The verdicts.
const (
	// Accept lets the packet go on as it is.
	Accept Verdict = iota
	// AcceptChanged lets it go on with Packet.Payload, which judge has changed.
	AcceptChanged
	// Drop discards the packet.
	Drop
	// Later keeps the packet until Queue.Accept or Queue.Drop names its id.
	Later
)

// NF_DROP and NF_ACCEPT of linux/netfilter.h.
const (
	kernelDrop   = 0
	kernelAccept = 1
)

// Of linux/netfilter/nfnetlink_queue.h.
const (
	messageVerdict      = unix.NFNL_SUBSYS_QUEUE<<8 | 1
	messageVerdictBatch = unix.NFNL_SUBSYS_QUEUE<<8 | 3

	attributeVerdict = 2 // verdict, packet id
)

const (
	netlinkHeader   = unix.SizeofNlMsghdr
	nfnetlinkHeader = 4 // family, version, queue number
	attributeHead   = unix.SizeofNlAttr
	verdictSize     = netlinkHeader + nfnetlinkHeader + attributeHead + 8
)

// appendVerdict appends one message with a verdict. A payload that is not nil replaces that of the
// packet.
func appendVerdict(b []byte, kind, queue uint16, verdict, id uint32, payload []byte) []byte {
	size := verdictSize
	if payload != nil {
		size += attributeHead + aligned(len(payload))
	}
	order := binary.NativeEndian
	b = order.AppendUint32(b, uint32(size))
	b = order.AppendUint16(b, kind)
	b = order.AppendUint16(b, unix.NLM_F_REQUEST)
	b = append(b, make([]byte, 8)...) // sequence number and port: no answer is asked for
	b = append(b, unix.AF_UNSPEC, 0)
	b = binary.BigEndian.AppendUint16(b, queue)
	b = order.AppendUint16(b, attributeHead+8)
	b = order.AppendUint16(b, attributeVerdict)
	b = binary.BigEndian.AppendUint32(b, verdict)
	b = binary.BigEndian.AppendUint32(b, id)
	if payload != nil {
		b = order.AppendUint16(b, uint16(attributeHead+len(payload)))
		b = order.AppendUint16(b, attributePayload)
		b = append(b, payload...)
		b = append(b, make([]byte, aligned(len(payload))-len(payload))...)
	}
	return b
}

// aligned rounds up to the four bytes on which messages and attributes begin.
func aligned(size int) int { return (size + 3) &^ 3 }
