package nfqueue

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"chaosgo/agent/internal/testnet"
)

const (
	// patience bounds every wait for something that happens when the code is right.
	patience = 5 * time.Second
	// nothingComes is how long a datagram is waited for that must not come.
	nothingComes = 300 * time.Millisecond
	holdTime     = 50 * time.Millisecond
)

// lead has what arrives on lo for a port go through the queue, in this namespace of its own.
func lead(t *testing.T, q *Queue, protocol byte, port int) {
	t.Helper()
	var failed error
	for _, statement := range []func(uint16) expr.Any{Statement, StatementXT} {
		conn, err := nftables.New(nftables.AsLasting())
		if err != nil {
			t.Skipf("no nftables here: %v", err)
		}
		table := conn.CreateTable(&nftables.Table{Name: "test", Family: nftables.TableFamilyINet, Flags: nftables.TableFlagOwner})
		chain := conn.AddChain(&nftables.Chain{
			Name: "input", Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter,
		})
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{protocol}},
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(uint16(port))},
			statement(q.Number()),
		}})
		if err := conn.Flush(); err != nil {
			failed = errors.Join(failed, err, conn.CloseLasting())
			continue
		}
		t.Cleanup(func() { conn.CloseLasting() })
		return
	}
	t.Skipf("no rule leads to an NFQUEUE here: %v", failed)
}

func open(t *testing.T, o Options) *Queue {
	t.Helper()
	q, err := Open(o)
	if err != nil {
		t.Skipf("no NFQUEUE here: %v", err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

// echo is a UDP service that sends everything back, and a client of it.
func echo(t *testing.T) (client *net.UDPConn, port int) {
	t.Helper()
	service, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { service.Close() })
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := service.ReadFrom(buffer)
			if err != nil {
				return
			}
			service.WriteTo(buffer[:n], from)
		}
	}()
	c, err := net.Dial("udp", service.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.UDPConn), service.LocalAddr().(*net.UDPAddr).Port
}

func say(t *testing.T, c net.Conn, what string) {
	t.Helper()
	if _, err := io.WriteString(c, what); err != nil {
		t.Fatal(err)
	}
}

// hears returns the next datagram, or "" if none comes within the time.
func hears(t *testing.T, c net.Conn, within time.Duration) string {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(within))
	buffer := make([]byte, 1500)
	n, err := c.Read(buffer)
	if err != nil {
		return ""
	}
	return string(buffer[:n])
}

// waitFor polls until a condition holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// held collects the ids of packets that are to have their verdict later.
type held struct {
	mu  sync.Mutex
	ids []uint32
}

func (h *held) judge(p *Packet) Verdict {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ids = append(h.ids, p.ID)
	return Later
}

func (h *held) all() []uint32 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.ids)
}

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

// echoStream is echo over one TCP connection.
func echoStream(t *testing.T) (client net.Conn, port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	served, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		io.Copy(served, served)
		served.Close()
	}()
	t.Cleanup(func() { client.Close() })
	return client, l.Addr().(*net.TCPAddr).Port
}

func roundTrip(t *testing.T, c net.Conn) time.Duration {
	t.Helper()
	begin := time.Now()
	say(t, c, "ping")
	if got := hears(t, c, patience); got != "ping" {
		t.Fatalf("got %q", got)
	}
	return time.Since(begin)
}

func TestVerdictsForManyPacketsInAnyOrder(t *testing.T) {
	if !testnet.Inside(t) {
		return
	}
	client, port := echo(t)
	q := open(t, Options{Length: 100})
	var h held
	q.Start(h.judge)
	lead(t, q, unix.IPPROTO_UDP, port)
	for i := range 4 {
		say(t, client, fmt.Sprint(i))
	}
	waitFor(t, "all are held", func() bool { return len(h.all()) == 4 })
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
	client, port := echo(t)
	q := open(t, Options{Length: 3})
	var h held
	q.Start(h.judge)
	lead(t, q, unix.IPPROTO_UDP, port)
	for i := range 10 {
		say(t, client, fmt.Sprint(i))
	}
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
	client, port := echo(t)
	q := open(t, Options{Length: 100})
	var h held
	q.Start(h.judge)
	lead(t, q, unix.IPPROTO_UDP, port)
	for i := range 5 {
		say(t, client, fmt.Sprint(i))
	}
	waitFor(t, "all are held", func() bool { return len(h.all()) == 5 })
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
