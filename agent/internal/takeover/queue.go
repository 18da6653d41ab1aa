package takeover

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"chaosgo/agent/internal/pulse"
)

// Of linux/netfilter/nfnetlink_queue.h.
const (
	messagePacket  = unix.NFNL_SUBSYS_QUEUE << 8
	messageVerdict = unix.NFNL_SUBSYS_QUEUE<<8 | 1
	messageConfig  = unix.NFNL_SUBSYS_QUEUE<<8 | 2

	attributeHeader     = 1 // packet id, protocol, hook; in a verdict: verdict, packet id
	attributePayload    = 10
	attributeCapturedOf = 13 // the size of a packet of which only a part was copied

	configCommand = 1
	configParams  = 2
	configLength  = 3
	configMask    = 4
	configFlags   = 5

	commandBind = 1
	copyPacket  = 2

	failOpen = 1 << 0 // a full queue lets packets pass
	wholeGSO = 1 << 2 // packets come as large as the sender made them

	accept = 1
)

const (
	maxWaiting   = 4096    // packets in a queue
	socketBuffer = 4 << 20 // bytes
	wholePacket  = 0xffff
	// headsOnly is enough for IP and TCP headers with all their options and the first bytes behind.
	headsOnly = 192
)

// queue is one NFQUEUE of this network namespace and the socket that it is read from.
type queue struct {
	number uint16
	conn   *netlink.Conn
	buffer []byte
}

// openQueue binds a free queue. copied is how much of each packet comes to us.
func openQueue(copied uint32, flags uint32) (*queue, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, err
	}
	q := &queue{conn: conn, buffer: make([]byte, wholePacket+4096)}
	if err := q.bind(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	err = q.configure(
		netlink.Attribute{Type: configParams, Data: append(be32(copied), copyPacket)},
		netlink.Attribute{Type: configLength, Data: be32(maxWaiting)},
		netlink.Attribute{Type: configFlags, Data: be32(failOpen | flags)},
		netlink.Attribute{Type: configMask, Data: be32(failOpen | wholeGSO)},
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("queue %d: %w", q.number, err), conn.Close())
	}
	// Packets that find no room pass by themselves; an error for each would only cost time.
	return q, errors.Join(conn.SetOption(netlink.NoENOBUFS, true), conn.SetReadBuffer(socketBuffer))
}

// bind looks for a number that nobody in this namespace uses.
func (q *queue) bind() error {
	var err error
	for range 32 {
		q.number = uint16(1<<15 + rand.IntN(1<<15))
		err = q.configure(netlink.Attribute{Type: configCommand, Data: []byte{commandBind, 0, 0, 0}})
		if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EBUSY) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("cannot bind an NFQUEUE: %w", err)
	}
	return nil
}

func (q *queue) configure(attributes ...netlink.Attribute) error {
	message, err := q.message(messageConfig, netlink.Request|netlink.Acknowledge, attributes...)
	if err != nil {
		return err
	}
	_, err = q.conn.Execute(message)
	return err
}

func (q *queue) message(kind netlink.HeaderType, flags netlink.HeaderFlags, attributes ...netlink.Attribute) (netlink.Message, error) {
	data, err := netlink.MarshalAttributes(attributes)
	header := []byte{unix.AF_UNSPEC, 0, byte(q.number >> 8), byte(q.number)} // struct nfgenmsg
	return netlink.Message{Header: netlink.Header{Type: kind, Flags: flags}, Data: append(header, data...)}, err
}

// run lets every packet pass, changed if judge says so, until the queue is closed.
func (q *queue) run(judge func(packet []byte, size int) (changed bool)) {
	raw, err := q.conn.SyscallConn()
	if err != nil {
		return // closed before it began
	}
	loop := pulse.Watch()
	defer loop.Leave()
	for {
		loop.Sign()
		var n int
		var failed error
		q.conn.SetReadDeadline(time.Now().Add(pulse.Interval)) //nolint:errcheck // Read fails with the same error
		err := raw.Read(func(fd uintptr) bool {
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

// eachPacket gives a verdict on every packet of one datagram.
func (q *queue) eachPacket(datagram []byte, judge func([]byte, int) bool) {
	const netlinkHeader, nfnetlinkHeader = unix.SizeofNlMsghdr, 4
	for len(datagram) >= netlinkHeader+nfnetlinkHeader {
		size := int(binary.NativeEndian.Uint32(datagram))
		if size < netlinkHeader+nfnetlinkHeader || size > len(datagram) {
			return
		}
		if binary.NativeEndian.Uint16(datagram[4:]) == messagePacket {
			q.onePacket(datagram[netlinkHeader+nfnetlinkHeader:size], judge)
		}
		datagram = datagram[min((size+3)&^3, len(datagram)):]
	}
}

func (q *queue) onePacket(attributes []byte, judge func([]byte, int) bool) {
	decoder, err := netlink.NewAttributeDecoder(attributes)
	if err != nil {
		return
	}
	var id, packet []byte
	size := 0
	for decoder.Next() {
		decoder.Do(func(b []byte) error {
			switch kind := decoder.Type(); {
			case kind == attributeHeader && len(b) >= 4:
				id = b[:4]
			case kind == attributePayload:
				packet = b
			case kind == attributeCapturedOf && len(b) >= 4:
				size = int(binary.BigEndian.Uint32(b))
			}
			return nil
		})
	}
	if id == nil {
		return
	}
	verdict := []netlink.Attribute{{Type: 2, Data: append(be32(accept), id...)}}
	if judge(packet, max(size, len(packet))) {
		verdict = append(verdict, netlink.Attribute{Type: attributePayload, Data: packet})
	}
	if message, err := q.message(messageVerdict, netlink.Request, verdict...); err == nil {
		q.conn.Send(message) //nolint:errcheck // a closed queue needs no verdict
	}
}

func be32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
