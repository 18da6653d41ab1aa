package nfqueue

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Of linux/netfilter/nfnetlink_queue.h.
const (
	messageConfig = unix.NFNL_SUBSYS_QUEUE<<8 | 2

	configCommand = 1
	configParams  = 2
	configLength  = 3
	configMask    = 4
	configFlags   = 5

	commandBind = 1

	copyMeta   = 1
	copyPacket = 2

	flagFailOpen = 1 << 0 // a full queue lets packets pass
	flagGSO      = 1 << 2 // packets come as large as the sender made them
)

// bind looks for a number that nobody in this namespace uses.
func (q *Queue) bind() error {
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

func (q *Queue) set(o Options) error {
	mode, flags := byte(copyPacket), uint32(flagFailOpen)
	if o.Copy == 0 {
		mode = copyMeta
	}
	if o.WholeGSO {
		flags |= flagGSO
	}
	return q.configure(
		netlink.Attribute{Type: configParams, Data: append(be32(o.Copy), mode)},
		netlink.Attribute{Type: configLength, Data: be32(o.Length)},
		netlink.Attribute{Type: configFlags, Data: be32(flags)},
		netlink.Attribute{Type: configMask, Data: be32(flagFailOpen | flagGSO)},
	)
}

func (q *Queue) configure(attributes ...netlink.Attribute) error {
	data, err := netlink.MarshalAttributes(attributes)
	if err != nil {
		return err
	}
	header := []byte{unix.AF_UNSPEC, 0, byte(q.number >> 8), byte(q.number)} // struct nfgenmsg
	_, err = q.conn.Execute(netlink.Message{
		Header: netlink.Header{Type: messageConfig, Flags: netlink.Request | netlink.Acknowledge},
		Data:   append(header, data...),
	})
	return err
}

func be32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
