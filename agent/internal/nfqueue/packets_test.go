package nfqueue

import (
	"bytes"
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

// attribute is one netlink attribute, padded.
func attribute(kind uint16, data ...byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(attributeHead+len(data)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), data...)
	return append(b, make([]byte, aligned(len(b))-len(b))...)
}

// message is one netlink message of an NFQUEUE.
func message(kind uint16, attributes ...[]byte) []byte {
	body := bytes.Join(attributes, nil)
	b := binary.NativeEndian.AppendUint32(nil, uint32(netlinkHeader+nfnetlinkHeader+len(body)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	return append(append(b, make([]byte, netlinkHeader+nfnetlinkHeader-len(b))...), body...)
}

func TestWhatAMessageSaysOfItsPacket(t *testing.T) {
	id := attribute(attributePacket, 0, 0, 1, 2, 8, 0, 1)
	for name, c := range map[string]struct {
		attributes []byte
		want       Packet
	}{
		"whole":       {bytes.Join([][]byte{id, attribute(attributePayload, 1, 2, 3)}, nil), Packet{258, []byte{1, 2, 3}, 3}},
		"a part":      {bytes.Join([][]byte{id, attribute(attributeCapturedOf, 0, 0, 4, 0), attribute(attributePayload, 1)}, nil), Packet{258, []byte{1}, 1024}},
		"no payload":  {id, Packet{ID: 258}},
		"other words": {bytes.Join([][]byte{attribute(99, 1), id, attribute(98)}, nil), Packet{ID: 258}},
	} {
		p, ok := readPacket(c.attributes)
		if !ok || p.ID != c.want.ID || !bytes.Equal(p.Payload, c.want.Payload) || p.Size != c.want.Size {
			t.Errorf("%s: %+v %v", name, p, ok)
		}
	}
	for name, attributes := range map[string][]byte{
		"nothing": {}, "no id": attribute(attributePayload, 1), "short id": attribute(attributePacket, 1),
		"cut off": id[:9], "no size": {0, 0, 1, 0},
	} {
		if p, ok := readPacket(attributes); ok {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestAVerdictIsAMessage(t *testing.T) {
	raw := appendVerdict([]byte("before"), messageVerdict, 7, kernelAccept, 258, []byte("chang"))
	want := append([]byte("before"), message(messageVerdict,
		attribute(attributeVerdict, 0, 0, 0, 1, 0, 0, 1, 2), attribute(attributePayload, []byte("chang")...))...)
	const flags, queue = 6 + 6, 6 + 18
	want[flags], want[queue+1] = unix.NLM_F_REQUEST, 7
	if !bytes.Equal(raw, want) {
		t.Errorf("got  %x\nwant %x", raw, want)
	}
}

// Whatever comes, nothing is read outside of it, and judge sees only packets.
func FuzzDatagram(f *testing.F) {
	f.Add(message(messagePacket, attribute(attributePacket, 0, 0, 0, 1, 8, 0, 1), attribute(attributePayload, 1, 2)))
	f.Add(append(message(unix.NLMSG_ERROR), message(messagePacket, attribute(attributePacket, 0, 0, 0, 2))...))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		var q Queue
		q.eachPacket(datagram, func(p *Packet) Verdict {
			if p.Size < len(p.Payload) {
				t.Errorf("%d of %d bytes", len(p.Payload), p.Size)
			}
			return Later
		})
	})
}
