package shop

import (
	"flag"
	"fmt"
	"net/http"
	"time"
)

const operationCheckTransaction = "CheckTransaction"

// risk is the role that checks transactions for fraud. It is slower than the other roles.
type risk struct {
	workload
	maxAmount float64
}

func (k *risk) register(flags *flag.FlagSet) {
	k.workload.register(flags, 25*time.Millisecond, 120*time.Millisecond)
	flags.Float64Var(&k.maxAmount, "max-amount", 1000, "reject transactions above this `amount`")
}

func (k *risk) check() error {
	if k.maxAmount <= 0 {
		return fmt.Errorf("--max-amount %g is not above 0; give one such as 1000", k.maxAmount)
	}
	return k.workload.check()
}

func (k *risk) routes(environment) map[string]http.Handler {
	shape := k.shape()
	judge := func(w http.ResponseWriter, r *http.Request) {
		order, ok := readOrder(w, r)
		if !ok {
			return
		}
		if shape.Wait(r.Context()) != nil {
			w.WriteHeader(statusClientGone)
			return
		}
		decision := Decision{Operation: operationCheckTransaction, Decision: approve, Reason: reasonOK}
		if order.Amount > k.maxAmount {
			decision.Decision, decision.Reason = reject, reasonOverLimit
		}
		writeJSON(w, http.StatusOK, decision)
	}
	return map[string]http.Handler{"POST /api/v1/check-transaction": http.HandlerFunc(judge)}
}
