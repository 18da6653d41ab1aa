package nfqueue

import (
	"encoding/binary"

	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
)

// Statement is the end of an nftables rule. It leads packets to the queue of that number, and lets
// them pass when nobody reads it (bypass). A kernel may lack nft_queue and support StatementXT, or the
// other way round.
func Statement(number uint16) expr.Any {
	return &expr.Queue{Num: number, Flag: expr.QueueFlagBypass}
}

// StatementXT does the same with the NFQUEUE target of iptables in revision 3. Its struct is
// xt_NFQ_info_v3 of linux/netfilter/xt_NFQUEUE.h: the number of the first queue, how many queues, and
// flags.
func StatementXT(number uint16) expr.Any {
	const queues, bypass = 1, 1
	info := xt.Unknown(make([]byte, 8)) // the last two bytes are padding
	for i, v := range []uint16{number, queues, bypass} {
		binary.NativeEndian.PutUint16(info[2*i:], v)
	}
	return &expr.Target{Name: "NFQUEUE", Rev: 3, Info: &info}
}
