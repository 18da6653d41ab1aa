package load

import (
	"strconv"
	"sync"
	"time"

	"chaosgo/agent/internal/histogram"
)

// ledger books every request in the second of its intended time, and lets a second go when it is
// over and all its requests have ended. The seconds go in order.
type ledger struct {
	emit func(LoadSecond)

	mu     sync.Mutex
	origin time.Time
	gone   int       // seconds that were emitted
	open   []*second // the following ones
	next   time.Time // when the next request is due
	totals LoadSecond
}

type second struct {
	record   LoadSecond
	underWay int
}

func newLedger(emit func(LoadSecond)) *ledger {
	return &ledger{emit: emit, totals: *newRecord(0)}
}

func newRecord(start float64) *LoadSecond {
	return &LoadSecond{
		StartUnixS:  start,
		Statuses:    map[string]uint64{},
		Latency:     Histogram{Counts: map[int]uint64{}},
		ServiceTime: Histogram{Counts: map[int]uint64{}},
	}
}

func (l *ledger) begin(origin time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.origin, l.next = origin, origin
	l.totals.StartUnixS = unixS(origin)
}

// intend books a request that is due and gives its second.
func (l *ledger) intend(intended, next time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	number := l.number(intended)
	s := l.at(number)
	s.record.Intended++
	s.underWay++
	l.next = next
	return number
}

// finish books what became of a request.
func (l *ledger) finish(number int, r result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.at(number)
	s.underWay--
	book(&s.record, &r)
	l.release(time.Now())
}

// pass lets the seconds go that are over now.
func (l *ledger) pass(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.release(now)
}

// end lets everything go and gives the totals. No request is under way any more.
func (l *ledger) end() LoadSecond {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.open) > 0 {
		l.shift()
	}
	return l.totals
}

// release lets seconds go while they are over, by the clock and by the pacer, which may lag.
func (l *ledger) release(now time.Time) {
	over := min(l.number(now), l.number(l.next))
	for l.gone < over && l.at(l.gone).underWay == 0 {
		l.shift()
	}
}

func (l *ledger) shift() {
	record := l.open[0].record
	l.open = l.open[1:]
	l.gone++
	add(&l.totals, &record)
	l.emit(record)
}

// at gives a second that has not gone; those between that had no request come into being, too.
func (l *ledger) at(number int) *second {
	for l.gone+len(l.open) <= number {
		start := l.origin.Add(time.Duration(l.gone+len(l.open)) * time.Second)
		l.open = append(l.open, &second{record: *newRecord(unixS(start))})
	}
	return l.open[number-l.gone]
}

func (l *ledger) number(t time.Time) int { return int(t.Sub(l.origin) / time.Second) }

// book adds one result to a record.
func book(record *LoadSecond, r *result) {
	if r.dropped {
		record.Dropped++
		return
	}
	record.Sent++
	if r.late {
		record.Late++
	}
	switch {
	case r.status != 0:
		record.Statuses[strconv.Itoa(r.status)]++
	case r.timeout:
		record.Timeouts++
	default:
		record.ConnectionErrors++
		return // it has no latency, and nobody can say what it meant for the business
	}
	if r.judged {
		record.ImpactN++
	}
	if r.impact {
		record.Impact++
	}
	record.Latency.Counts[histogram.Index(r.latency.Microseconds())]++
	record.ServiceTime.Counts[histogram.Index(r.serviceTime.Microseconds())]++
}

func add(to, from *LoadSecond) {
	to.Intended += from.Intended
	to.Sent += from.Sent
	to.Timeouts += from.Timeouts
	to.ConnectionErrors += from.ConnectionErrors
	to.Late += from.Late
	to.Dropped += from.Dropped
	to.Impact += from.Impact
	to.ImpactN += from.ImpactN
	merge(to.Statuses, from.Statuses)
	merge(to.Latency.Counts, from.Latency.Counts)
	merge(to.ServiceTime.Counts, from.ServiceTime.Counts)
}

func merge[K comparable](to, from map[K]uint64) {
	for key, n := range from {
		to[key] += n
	}
}

func unixS(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
