package load

import (
	"math"
	"strconv"
	"sync"
	"time"

	"chaosgo/agent/internal/histogram"
)

// Bounds of the failed requests that are listed one by one, for the memory of whoever keeps the seconds: all
// are counted.
const (
	mostListedOfSecond = 200
	mostListed         = 50_000
)

// ledger counts every request in the second of its intended time. It emits a second when it is over and
// all its requests have ended, in order.
type ledger struct {
	emit func(LoadSecond)

	mu     sync.Mutex
	origin time.Time
	gone   int       // seconds that were emitted
	open   []*second // seconds that were not emitted yet
	next   time.Time // when the next request is due
	totals LoadSecond
	listed int // failures that were listed in all seconds
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
		StartUnixS:      start,
		Statuses:        map[string]uint64{},
		FailuresByCause: map[string]uint64{},
		Latency:         Histogram{Counts: map[int]uint64{}},
		ServiceTime:     Histogram{Counts: map[int]uint64{}},
	}
}

func (l *ledger) begin(origin, first time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.origin, l.next = origin, first
	l.totals.StartUnixS = unixS(origin)
}

// intend counts a request that is due and gives its second.
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

// finish counts what became of a request.
func (l *ledger) finish(j job, r result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.at(j.second)
	s.underWay--
	book(&s.record, &r)
	if r.cause != "" {
		l.list(&s.record, j, &r)
	}
	l.release(time.Now())
}

// list adds a failed request to the list of its second, as long as the bounds allow.
func (l *ledger) list(record *LoadSecond, j job, r *result) {
	if len(record.Failures) >= mostListedOfSecond || l.listed >= mostListed {
		return
	}
	l.listed++
	start := l.origin.Add(time.Duration(j.second) * time.Second)
	record.Failures = append(record.Failures,
		Failure{AtMS: milliseconds(j.intended.Sub(start)), TookMS: milliseconds(r.latency), Cause: r.cause})
}

// pass emits the seconds that are over now.
func (l *ledger) pass(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.release(now)
}

// end emits all seconds and gives the totals. No request is under way any more.
func (l *ledger) end() LoadSecond {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.open) > 0 {
		l.shift()
	}
	return l.totals
}

// release emits seconds that are over both by the clock and for the pacer, which may lag.
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

// at gives a second that was not emitted yet. It makes the seconds before it that had no request.
func (l *ledger) at(number int) *second {
	for l.gone+len(l.open) <= number {
		start := l.origin.Add(time.Duration(l.gone+len(l.open)) * time.Second)
		l.open = append(l.open, &second{record: *newRecord(unixS(start))})
	}
	return l.open[number-l.gone]
}

func (l *ledger) number(t time.Time) int { return int(t.Sub(l.origin) / time.Second) }

// book counts one result in a record.
func book(record *LoadSecond, r *result) {
	if r.dropped {
		record.Dropped++
		return
	}
	record.Sent++
	if r.late {
		record.Late++
	}
	if r.cause != "" {
		record.FailuresByCause[r.cause]++
	}
	switch {
	case r.status != 0:
		record.Statuses[strconv.Itoa(r.status)]++
	case r.timeout:
		record.Timeouts++
	default:
		record.ConnectionErrors++
		return // it has no latency, and its impact on the business is unknown
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
	merge(to.FailuresByCause, from.FailuresByCause)
	merge(to.Latency.Counts, from.Latency.Counts)
	merge(to.ServiceTime.Counts, from.ServiceTime.Counts)
}

func merge[K comparable](to, from map[K]uint64) {
	for key, n := range from {
		to[key] += n
	}
}

// milliseconds has whole microseconds, so that a time is a short text on the wire.
func milliseconds(d time.Duration) float64 { return math.Round(float64(d)/1e3) / 1e3 }

func unixS(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
