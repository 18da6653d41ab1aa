package upstream

import (
	"sync"
	"time"
)

const budgetWindowS = 10

// Budget limits retries to a share of the requests of the last ten seconds, plus a floor for services with few
// requests. Retries help against failures that are rare and independent. If everything fails, they only multiply
// the load; the budget prevents that.
// See "Addressing Cascading Failures" in the SRE book, and Finagle's RetryBudget.
type Budget struct {
	ratio float64
	floor int

	mu      sync.Mutex
	seconds [budgetWindowS]budgetSecond
}

type budgetSecond struct {
	unixS             int64
	requests, retries int
}

// NewBudget returns a budget of floor + ratio x requests retries in any ten seconds. ratio and floor are 0 or more.
func NewBudget(ratio float64, floor int) *Budget {
	return &Budget{ratio: ratio, floor: floor}
}

// Request counts one request; its retries are not counted.
func (b *Budget) Request() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now().requests++
}

// TryRetry takes one retry from the budget. It returns false if none is left.
func (b *Budget) TryRetry() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	current := b.now()
	requests, retries := 0, 0
	for _, second := range b.seconds {
		if current.unixS-second.unixS < budgetWindowS {
			requests += second.requests
			retries += second.retries
		}
	}
	if float64(retries+1) > float64(b.floor)+b.ratio*float64(requests) {
		return false
	}
	current.retries++
	return true
}

// now returns the counters of this second. It resets them if they are those of an earlier second.
func (b *Budget) now() *budgetSecond {
	unixS := time.Now().Unix()
	second := &b.seconds[unixS%budgetWindowS]
	if second.unixS != unixS {
		*second = budgetSecond{unixS: unixS}
	}
	return second
}
