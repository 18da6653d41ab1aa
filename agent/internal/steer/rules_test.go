package steer

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"

	"chaosgo/agent/internal/nfqueue"
)

var update = flag.Bool("update", false, "write the rules to testdata/rules; read the difference before you commit it")

var unkept = &Alive{set: aliveSet(&nftables.Table{})} // its element is never renewed

// The kernel takes the element of a hung agent away after a second, which is what safety.md promises.
func TestTheSwitchRunsOutAfterASecond(t *testing.T) {
	if set := unkept.set; !set.HasTimeout || set.Timeout != time.Second {
		t.Errorf("got %+v", set)
	}
}

// testdata/rules has every rule that is ever installed, as text. A rule that is missing, new or in
// another place fails here, without root. The tests in network namespaces show that the kernel
// understands the rules in the same way.
func TestRules(t *testing.T) {
	families, err := familiesOf(&nftables.Table{})
	if err != nil {
		t.Fatal(err)
	}
	v4, v6 := netip.MustParseAddrPort("127.0.0.1:40001"), netip.MustParseAddrPort("[::1]:40002")
	to := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:8082"), netip.MustParseAddrPort("[2001:db8::1]:8082")}
	var queueIn, queueOut []baseChain
	for _, p := range inboundPaths(8081, 40000, 40001) {
		queueIn = append(queueIn, queueing(p, families, unkept, nfqueue.Statement))
	}
	for _, p := range outboundPaths(8082, 40000, 40001) {
		queueOut = append(queueOut, queueing(p, families, unkept, nfqueue.StatementXT))
	}
	emptied := outbound(nil, nil, unkept)
	emptied.rules = [][]expr.Any{trackOnly()}
	for name, chains := range map[string][]baseChain{
		"inbound":           {inbound(8081, []netip.AddrPort{v4, v6}, unkept)},
		"inbound-ipv4-only": {inbound(8081, []netip.AddrPort{v4}, unkept)},
		"outbound":          {outbound(to, []int{40001, 40002}, unkept)},
		"outbound-emptied":  {emptied},
		"return-path":       {returning(8081, returnBase+7)},
		"queues-inbound":    queueIn,
		"queues-outbound":   queueOut,
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", "rules", name+".txt")
			now := text(t, chains)
			if *update {
				if err := os.WriteFile(file, now, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			was, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(was, now) {
				t.Errorf("%s says\n%s\nbut the rules are\n%s\n(go test ./internal/steer -run TestRules -update)", file, was, now)
			}
		})
	}
}

// text writes each chain, and each of its rules on one line, in terms close to those of nft(8).
func text(t *testing.T, chains []baseChain) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, c := range chains {
		fmt.Fprintf(&b, "chain %s type %s hook %d priority %d\n", c.name, c.kind, *c.hook, *c.priority)
		for _, exprs := range c.rules {
			var words []string
			for _, e := range exprs {
				words = append(words, word(t, e))
			}
			fmt.Fprintln(&b, "   ", strings.Join(words, "; "))
		}
	}
	return b.Bytes()
}

var (
	metaNames = map[expr.MetaKey]string{expr.MetaKeyMARK: "mark", expr.MetaKeyL4PROTO: "l4proto", expr.MetaKeyNFPROTO: "nfproto"}
	ctNames   = map[expr.CtKey]string{expr.CtKeyMARK: "ct mark", expr.CtKeySTATE: "ct state"}
	baseNames = map[expr.PayloadBase]string{expr.PayloadBaseTransportHeader: "transport", expr.PayloadBaseNetworkHeader: "network"}
	opNames   = map[expr.CmpOp]string{expr.CmpOpEq: "==", expr.CmpOpNeq: "!="}
)

// word writes one expression. It fails for an expression that it cannot write in full.
func word(t *testing.T, e expr.Any) string {
	t.Helper()
	for _, write := range []func(expr.Any) string{loads, matches, acts} {
		if said := write(e); said != "" {
			return said
		}
	}
	t.Fatalf("no words for %T %+v", e, e)
	return ""
}

// loads writes an expression that loads a register or stores it.
func loads(e expr.Any) string {
	named := func(name string, register uint32, back bool) string {
		switch {
		case name == "":
			return ""
		case back:
			return fmt.Sprintf("%s = r%d", name, register)
		}
		return fmt.Sprintf("r%d = %s", register, name)
	}
	switch e := e.(type) {
	case *expr.Meta:
		return named(metaNames[e.Key], e.Register, e.SourceRegister)
	case *expr.Ct:
		return named(ctNames[e.Key], e.Register, e.SourceRegister)
	case *expr.Payload:
		if base := baseNames[e.Base]; base != "" && e.OperationType == expr.PayloadLoad {
			return fmt.Sprintf("r%d = %s[%d:%d]", e.DestRegister, base, e.Offset, e.Offset+e.Len)
		}
	case *expr.Bitwise:
		return fmt.Sprintf("r%d = r%d & %x ^ %x", e.DestRegister, e.SourceRegister, e.Mask, e.Xor)
	case *expr.Immediate:
		return fmt.Sprintf("r%d = %x", e.Register, e.Data)
	case *expr.Fib:
		if *e == (expr.Fib{Register: e.Register, FlagDADDR: true, ResultADDRTYPE: true}) {
			return fmt.Sprintf("r%d = fib daddr type", e.Register)
		}
	case *expr.Socket:
		if e.Key == expr.SocketKeyTransparent {
			return fmt.Sprintf("r%d = socket transparent", e.Register)
		}
	}
	return ""
}

// matches writes an expression that ends the rule for packets that do not match.
func matches(e expr.Any) string {
	switch e := e.(type) {
	case *expr.Cmp:
		if op := opNames[e.Op]; op != "" {
			return fmt.Sprintf("r%d %s %x", e.Register, op, e.Data)
		}
	case *expr.Lookup:
		if !e.Invert {
			return fmt.Sprintf("r%d in @%s", e.SourceRegister, e.SetName)
		}
	}
	return ""
}

// acts writes an expression that does something to the packet.
func acts(e expr.Any) string {
	switch e := e.(type) {
	case *expr.TProxy:
		return fmt.Sprintf("tproxy family %d to r%d port r%d", e.Family, e.RegAddr, e.RegPort)
	case *expr.Redir:
		return fmt.Sprintf("redirect to port r%d", e.RegisterProtoMin)
	case *expr.Queue:
		if e.Total <= 1 && e.Flag == expr.QueueFlagBypass {
			return fmt.Sprintf("queue %d bypass", e.Num)
		}
	case *expr.Target:
		if info, ok := e.Info.(*xt.Unknown); ok {
			return fmt.Sprintf("xt %s revision %d %x", e.Name, e.Rev, []byte(*info))
		}
	case *expr.Verdict:
		if e.Kind == expr.VerdictAccept {
			return "accept"
		}
	}
	return ""
}
