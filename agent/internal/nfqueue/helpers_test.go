package nfqueue

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
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

// holding sends the packets "0", "1", ... through a queue that holds them, as many as its length, and
// returns when it does.
func holding(t *testing.T, length, packets int) (client *net.UDPConn, q *Queue, h *held) {
	t.Helper()
	client, port := echo(t)
	q, h = open(t, Options{Length: uint32(length)}), &held{}
	q.Start(h.judge)
	lead(t, q, unix.IPPROTO_UDP, port)
	for i := range packets {
		say(t, client, fmt.Sprint(i))
	}
	waitFor(t, "they are held", func() bool { return len(h.all()) == min(length, packets) })
	return client, q, h
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
