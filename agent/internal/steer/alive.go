package steer

import (
	"sync"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"chaosgo/agent/internal/pulse"
)

// aliveTime is how long the kernel goes on steering without a beat of this process.
const aliveTime = time.Second

// Alive is the dead man's switch of a table: a set with one element, which the pulse of this process
// renews and the kernel forgets after aliveTime. Rules that begin with If do nothing then: new
// connections pass a hung agent by. Only elements change, never a chain: the kernel drops every
// packet that waits in a queue when a base chain goes.
type Alive struct {
	// Mutex is held while messages for the table are collected and sent; who changes the table
	// after Keep holds it too, or halves of two transactions mix.
	sync.Mutex
	conn *nftables.Conn
	set  *nftables.Set
	stop func()
}

// AddAlive adds the switch to a table that is being made on conn; call Keep once it is made.
func AddAlive(conn *nftables.Conn, table *nftables.Table) (*Alive, error) {
	a := &Alive{conn: conn, set: &nftables.Set{
		Table: table, Name: "alive", KeyType: nftables.TypeInetProto, HasTimeout: true, Timeout: aliveTime,
	}}
	return a, conn.AddSet(a.set, element())
}

// If is the condition that this process is alive, the first one of a rule for TCP.
func (a *Alive) If() []expr.Any {
	return []expr.Any{
		meta(expr.MetaKeyL4PROTO),
		&expr.Lookup{SourceRegister: 1, SetName: a.set.Name, SetID: a.set.ID},
	}
}

// Keep renews the element with every beat of this process, until Stop.
func (a *Alive) Keep() { a.stop = pulse.Each(a.renew) }

// Stop ends the renewal. The rules stay in place for another aliveTime at most.
func (a *Alive) Stop() { a.stop() }

// renew replaces the element in one transaction, so that there is no packet without it. It is added
// first because one that has run out cannot be deleted. When the kernel refuses, the element runs
// out: that is the safe side.
func (a *Alive) renew() {
	a.Lock()
	defer a.Unlock()
	a.conn.SetAddElements(a.set, element())    //nolint:errcheck // Flush fails with the same error
	a.conn.SetDeleteElements(a.set, element()) //nolint:errcheck // same
	a.conn.SetAddElements(a.set, element())    //nolint:errcheck // same
	a.conn.Flush()                             //nolint:errcheck // the element runs out
}

func element() []nftables.SetElement {
	return []nftables.SetElement{{Key: []byte{unix.IPPROTO_TCP}}}
}
