package httpfault

import (
	"time"

	"chaosgo/agent/internal/delay"
	"chaosgo/agent/internal/relay"
)

// decide asks the faults in the order in which they were armed. Delays add up. If two faults change the
// same part of the answer, the later fault wins. After an abort no other fault is applied.
func (p *place) decide(r *relay.Request) relay.Outcome {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var out relay.Outcome
	var delays []share
	for _, f := range p.faults {
		hit, delay := f.hits(r)
		if !hit {
			continue
		}
		if f.abort != nil {
			out.Abort = f.abort
			break
		}
		if f.edit != nil {
			out.Edits = append(out.Edits, f.edit)
		} else {
			delays = append(delays, share{f, delay})
		}
	}
	if len(delays) > 0 {
		timer := p.timer
		out.Hold = func(gone <-chan struct{}) { hold(timer, delays, gone) }
	}
	return out
}

// share is the part of one fault in the time that a request is held.
type share struct {
	fault *fault
	delay time.Duration
}

// hold keeps a request for one share after the other, until its client is gone. The end of a fault ends
// its share only. Each share begins when the one before it should have ended, so that lateness does not
// add up.
func hold(timer *delay.Timer, shares []share, gone <-chan struct{}) {
	begin := time.Now()
	for _, s := range shares {
		until := begin.Add(s.delay)
		timer.Until(until, s.fault.over, gone)
		now := time.Now()
		s.fault.obtained(now.Sub(begin))
		begin = until
		if now.Before(until) {
			begin = now
		}
		if isClosed(gone) {
			return
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
