package steer

import (
	"sync"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"chaosgo/agent/internal/pulse"
)

// aliveTime is how long the kernel goes on steering when this process renews nothing.
const aliveTime = time.Second

// Alive lets new connections bypass a hung agent after aliveTime. It is a set in the table with one
// element, which the pulse of this process renews and the kernel removes after aliveTime. Rules that
// begin with If match nothing without the element. Only the element changes and no chain ever does:
// when a base chain is removed, the kernel drops every packet that waits in a queue.
type Alive struct {
	// Mutex is held while the messages of one transaction are collected and sent. Whoever changes the
	// table after Keep holds it too; otherwise two transactions would mix.
	sync.Mutex
	conn *nftables.Conn
	set  *nftables.Set
	stop func()
}

// AddAlive adds the set to a table that is being made on conn. Call Keep when the table is made.
func AddAlive(conn *nftables.Conn, table *nftables.Table) (*Alive, error) {
	a := &Alive{conn: conn, set: aliveSet(table)}
	return a, conn.AddSet(a.set, element())
}

func aliveSet(table *nftables.Table) *nftables.Set {
	return &nftables.Set{
		Table: table, Name: "alive", KeyType: nftables.TypeInetProto, HasTimeout: true, Timeout: aliveTime,
	}
}

// If matches while this process is alive. It comes first in a rule, and matches TCP only.
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

// renew replaces the element in one transaction, so that the set is never empty in between. It adds
// the element first, because an element whose time is over cannot be deleted. When the kernel refuses,
// the element times out and connections bypass the agent, which is the safe side.
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
