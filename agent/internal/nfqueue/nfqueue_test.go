package nfqueue

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chaosgo/agent/internal/testnet"
)

func TestAcceptedPacketsArriveAndDroppedOnesDoNot(t *testing.T) {
	if !testnet.Inside(t) {
		return
	}
	client, port := echo(t)
	q := open(t, Options{Copy: WholePacket, Length: 100})
	var sizes atomic.Int64
	q.Start(func(p *Packet) Verdict {
		sizes.Add(int64(p.Size))
		if p.Payload[len(p.Payload)-1] == 'x' {
			return Drop
		}
		return Accept
	})
	lead(t, q, unix.IPPROTO_UDP, port)
	for i := range 10 {
		say(t, client, fmt.Sprint(i, "x"))
		say(t, client, fmt.Sprint(i, "y"))
		if got := hears(t, client, patience); got != fmt.Sprint(i, "y") {
			t.Fatalf("got %q instead of packet %d", got, i)
		}
	}
	const ipAndUDP = 20 + 8
	if want := int64(20 * (ipAndUDP + 2)); sizes.Load() != want {
		t.Errorf("20 packets had %d bytes, not %d", sizes.Load(), want)
	}
}

func TestAChangedPacketArrivesChanged(t *testing.T) {
	if !testnet.Inside(t) {
		return
	}
	client, port := echo(t)
	q := open(t, Options{Copy: WholePacket, Length: 100})
	q.Start(func(p *Packet) Verdict {
		const checksum, payload = 26, 28                  // behind 20 bytes of IPv4
		p.Payload[checksum], p.Payload[checksum+1] = 0, 0 // none (RFC 768)
		copy(p.Payload[payload:], "ours!")
		return AcceptChanged
	})
	lead(t, q, unix.IPPROTO_UDP, port)
	say(t, client, "theirs")
	if got := hears(t, client, patience); got != "ours!s" {
		t.Errorf("got %q", got)
	}
}

// A packet that is held 50 ms makes the round trip 50 ms longer, for datagrams and for TCP.
func TestPacketsThatAreHeldArriveLater(t *testing.T) {
	if !testnet.Inside(t) {
		return
	}
	datagrams, udpPort := echo(t)
	stream, tcpPort := echoStream(t)
	for _, c := range []struct {
		name     string
		client   net.Conn
		protocol byte
		port     int
	}{{"UDP", datagrams, unix.IPPROTO_UDP, udpPort}, {"TCP", stream, unix.IPPROTO_TCP, tcpPort}} {
		t.Run(c.name, func(t *testing.T) {
			t.Logf("not held: %v", roundTrip(t, c.client))
			q := open(t, Options{Length: 100})
			q.Start(func(p *Packet) Verdict {
				if p.Payload != nil {
					t.Errorf("%d bytes were copied", len(p.Payload))
				}
				id := p.ID
				time.AfterFunc(holdTime, func() { q.Accept(id) })
				return Later
			})
			lead(t, q, c.protocol, c.port)
			for range 5 {
				took := roundTrip(t, c.client)
				t.Logf("held: %v", took)
				if took < holdTime || took > 20*holdTime {
					t.Errorf("the round trip took %v", took)
				}
			}
		})
	}
}

func TestVerdictsForManyPacketsInAnyOrder(t *testing.T) {
	if !testnet.Inside(t) {
		return
	}
	client, q, h := holding(t, 100, 4)
	if got := hears(t, client, nothingComes); got != "" {
		t.Errorf("%q did not wait", got)
	}
	ids := h.all()
	if err := errors.Join(q.Accept(ids[2], ids[0]), q.Drop(ids[1])); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2", "0", ""} {
		wait := patience
		if want == "" {
			wait = nothingComes
		}
		if got := hears(t, client, wait); got != want {
			t.Errorf("got %q instead of %q", got, want)
		}
	}
	// What has its verdict is left alone; the queue goes on.
	if err := q.Accept(ids[3], ids[0], ids[1]); err != nil {
		t.Fatal(err)
	}
	if got := hears(t, client, patience); got != "3" {
		t.Errorf("got %q instead of 3", got)
	}
}

func TestPacketsThatFindAFullQueuePass(t *testing.T) {
	if !testnet.Inside(t) {
		return
	}
	client, _, h := holding(t, 3, 10)
	for i := 3; i < 10; i++ {
		if got := hears(t, client, patience); got != fmt.Sprint(i) {
			t.Errorf("got %q instead of %d", got, i)
		}
	}
	if n := len(h.all()); n != 3 {
		t.Errorf("%d are held", n)
	}
}

// A queue that is closed loses nothing: what it held arrives, and what comes afterwards passes.
func TestACloseLetsEverythingPass(t *testing.T) {
	if !testnet.Inside(t) {
		return
	}
	client, q, h := holding(t, 100, 5)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	for i := 5; i < 8; i++ {
		say(t, client, fmt.Sprint(i))
	}
	for i := range 8 {
		if got := hears(t, client, patience); got != fmt.Sprint(i) {
			t.Errorf("got %q instead of %d", got, i)
		}
	}
	if q.Accept(h.all()...) == nil {
		t.Error("a closed queue took verdicts")
	}
}

// Closing without Start is closing too: packets that came meanwhile pass.
func TestACloseBeforeTheStartLetsEverythingPass(t *testing.T) {
	if !testnet.Inside(t) {
		return
	}
	client, port := echo(t)
	q := open(t, Options{Length: 100})
	lead(t, q, unix.IPPROTO_UDP, port)
	say(t, client, "early")
	if got := hears(t, client, nothingComes); got != "" {
		t.Errorf("%q passed a queue that nobody reads yet", got)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if got := hears(t, client, patience); got != "early" {
		t.Errorf("got %q", got)
	}
}
