package check

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"chaosgo/agent/internal/nfqueue"
)

// trial is one mechanism to try in a table of its own.
type trial struct {
	name  string
	flags nftables.TableFlags
	// fill adds rules or sets to the table. nil leaves it empty.
	fill func(*nftables.Conn, *nftables.Table, *nftables.Chain) error
}

// nftTrials are ordered from what every kernel has to what fewest have.
var nftTrials = []trial{
	{name: "nftables"},
	{name: "owner_tables", flags: nftables.TableFlagOwner},
	{name: "set_timeouts", fill: func(c *nftables.Conn, t *nftables.Table, _ *nftables.Chain) error {
		return c.AddSet(&nftables.Set{
			Table: t, Name: "s", KeyType: nftables.TypeInetService, HasTimeout: true, Timeout: time.Second,
		}, nil)
	}},
	{name: "tproxy", fill: rule(
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.NFPROTO_IPV4}},
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Socket{Key: expr.SocketKeyTransparent, Register: 1},
		&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
		&expr.Immediate{Register: 1, Data: []byte{127, 0, 0, 1}},
		&expr.Immediate{Register: 2, Data: []byte{0, 1}},
		&expr.TProxy{Family: unix.NFPROTO_IPV4, TableFamily: unix.NFPROTO_INET, RegAddr: 1, RegPort: 2},
	)},
	{name: "redirect", fill: rule(
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Immediate{Register: 1, Data: []byte{0, 1}},
		&expr.Redir{RegisterProtoMin: 1},
	)},
	{name: "nfqueue_native", fill: rule(nfqueue.Statement(0))},
	{name: "nfqueue_xt", fill: rule(nfqueue.StatementXT(0))},
}

func rule(exprs ...expr.Any) func(*nftables.Conn, *nftables.Table, *nftables.Chain) error {
	return func(c *nftables.Conn, t *nftables.Table, chain *nftables.Chain) error {
		c.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: exprs})
		return nil
	}
}

// tryTable installs the trial in a table of its own and removes it again. The chain has no hook, so no
// packet ever meets it.
func tryTable(tr trial) (err error) {
	c, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.CloseLasting()) }()
	t := c.CreateTable(&nftables.Table{
		Name: fmt.Sprintf("chaos-agent-check-%d", os.Getpid()), Family: nftables.TableFamilyINet, Flags: tr.flags,
	})
	chain := c.AddChain(&nftables.Chain{Name: "unhooked", Table: t})
	if tr.fill != nil {
		if err := tr.fill(c, t, chain); err != nil {
			return err
		}
	}
	if err := c.Flush(); err != nil {
		return err
	}
	c.DelTable(t)
	return c.Flush()
}
