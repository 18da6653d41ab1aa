// Package nfqueue reads packets from an NFQUEUE of this network namespace and decides on each, at once
// or later and from any goroutine.
//
// Rules (Statement, StatementXT) lead packets into a queue. The packets pass when nobody reads the
// queue: a queue that is closed, or whose process has died, stops no traffic. Packets that find the
// queue full pass too. linux/netfilter/nfnetlink_queue.h describes the messages.
package nfqueue

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// WholePacket as Options.Copy copies every packet from its first byte to its last one.
const WholePacket = 0xffff

// socketBuffer is how many bytes of messages the kernel may keep for us between two reads.
const socketBuffer = 4 << 20

// Options say how a queue works.
type Options struct {
	// Copy is how many bytes of each packet are copied to us, from the IP header on. With 0 none are
	// copied, and Packet.Size is unknown.
	Copy uint32
	// Length is how many packets may wait for a verdict. More of them pass.
	Length uint32
	// WholeGSO leaves packets as large as their sender made them, up to 64 KiB (GSO). Without it the
	// kernel cuts them into segments first. Do not change packets with it, because their checksum is
	// incomplete.
	WholeGSO bool
}

// Queue is one NFQUEUE and the socket that it is read from.
type Queue struct {
	number uint16
	conn   *netlink.Conn
	raw    syscall.RawConn
	buffer []byte

	running sync.WaitGroup
	last    uint32 // the id of the packet that was read last
	verdict []byte // the last message of the loop, for its memory

	mu      sync.Mutex
	closing bool
}

// Open binds a queue number that is free. Install rules that lead packets there after Start.
func Open(o Options) (*Queue, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, err
	}
	q := &Queue{conn: conn, buffer: make([]byte, WholePacket+4096)}
	if q.raw, err = conn.SyscallConn(); err == nil {
		err = q.bind()
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if err := q.set(o); err != nil {
		return nil, errors.Join(fmt.Errorf("queue %d: %w", q.number, err), conn.Close())
	}
	// Packets that find no room pass by themselves; an error for each of them would only cost time.
	if err := errors.Join(conn.SetOption(netlink.NoENOBUFS, true), conn.SetReadBuffer(socketBuffer)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return q, nil
}

// Number returns the number by which rules name the queue.
func (q *Queue) Number() uint16 { return q.number }

// Start calls judge for one packet after the other, in a goroutine of its own, until Close. Call it
// once.
func (q *Queue) Start(judge func(*Packet) Verdict) {
	q.running.Go(func() { q.run(judge) })
}

// Accept lets packets go on for which judge returned Later. It may be called from any goroutine, also
// before judge has returned. It does nothing to packets that have a verdict already, and it fails
// after Close.
func (q *Queue) Accept(ids ...uint32) error { return q.give(kernelAccept, ids) }

// Drop discards packets for which judge returned Later. It may be called like Accept.
func (q *Queue) Drop(ids ...uint32) error { return q.give(kernelDrop, ids) }

// give sends the same verdict on many packets at once.
func (q *Queue) give(verdict uint32, ids []uint32) error {
	messages := make([]byte, 0, len(ids)*verdictSize)
	for _, id := range ids {
		messages = appendVerdict(messages, messageVerdict, q.number, verdict, id, nil)
	}
	return q.send(messages)
}

// Close stops judging, accepts all packets that wait for a verdict, and closes the queue. Remove the
// rules before: a packet that comes between the last two steps is lost.
func (q *Queue) Close() error {
	q.mu.Lock()
	q.closing = true
	q.conn.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // a closed socket ends the loop as well
	q.mu.Unlock()
	q.running.Wait()
	// The batch verdict applies to all ids up to this one. Ids count up and wrap around.
	const ahead = 1 << 30
	all := appendVerdict(nil, messageVerdictBatch, q.number, kernelAccept, q.last+ahead, nil)
	return errors.Join(q.send(all), q.conn.Close())
}

// send sends messages to the kernel, which processes them before sendto(2) returns.
func (q *Queue) send(messages []byte) error {
	if len(messages) == 0 {
		return nil
	}
	var failed error
	err := q.raw.Control(func(fd uintptr) {
		failed = unix.Sendto(int(fd), messages, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	})
	return errors.Join(err, failed)
}
