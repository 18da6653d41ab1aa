package main

import (
	"flag"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// driven is the result of a closed loop.
type driven struct {
	Requests int            `json:"requests"`
	Seconds  float64        `json:"seconds"`
	RPS      float64        `json:"rps"`
	Statuses map[string]int `json:"statuses"`
	P50MS    float64        `json:"p50_ms"`
	P99MS    float64        `json:"p99_ms"`
}

// tally is the result of one connection of a closed loop.
type tally struct {
	statuses [600]int
	took     []time.Duration
	err      error
}

// drive sends requests on some connections: on each the next one as soon as the answer is there, or at fixed
// times. It ends after some seconds or some number of requests. Latency counts from the actual send time.
func drive(args []string) error {
	flags := flag.NewFlagSet("drive", flag.ContinueOnError)
	connections := flags.Int("connections", 32, "keep-alive connections")
	seconds := flags.Float64("seconds", 0, "duration in seconds")
	requests := flags.Int64("requests", 0, "number of requests on all connections together, instead of seconds")
	every := flags.Duration("every", 0, "time between the requests of a connection, spread evenly; default: as fast as possible")
	if err := flags.Parse(args); err != nil || flags.NArg() != 2 || (*seconds > 0) == (*requests > 0) {
		return fmt.Errorf("give ADDRESS PATH, and seconds or requests")
	}
	var left atomic.Int64
	left.Store(*requests)
	until := time.Now().Add(time.Duration(*seconds * float64(time.Second)))
	more := func() bool { return left.Add(-1) >= 0 }
	if *requests == 0 {
		more = func() bool { return time.Now().Before(until) }
	}
	tallies := make([]tally, *connections)
	var all sync.WaitGroup
	begin := time.Now()
	for i := range tallies {
		all.Go(func() {
			p := pace{begin.Add(*every * time.Duration(i) / time.Duration(*connections)), *every}
			tallies[i].loop(flags.Arg(0), flags.Arg(1), p, more)
		})
	}
	all.Wait()
	return sum(tallies, time.Since(begin))
}

// pace has the times at which a connection sends its requests. Without it, connections whose answers once came at
// the same time would send at the same time from then on.
type pace struct {
	next  time.Time
	every time.Duration // 0: as fast as possible
}

func (p *pace) wait() {
	if p.every == 0 {
		return
	}
	for time.Until(p.next) < 0 {
		p.next = p.next.Add(p.every)
	}
	time.Sleep(time.Until(p.next))
}

func (t *tally) loop(address, path string, p pace, more func() bool) {
	c, err := dial(address, path)
	if err != nil {
		t.err = err
		return
	}
	defer c.Close() //nolint:errcheck // all answers are read
	// With so few requests per connection, the first one, which is slow, would decide the P99.
	if p.every != 0 {
		if _, err := c.ask(); err != nil {
			t.err = err
			return
		}
	}
	for more() {
		p.wait()
		sent := time.Now()
		status, err := c.ask()
		if err != nil || status >= len(t.statuses) {
			t.err = fmt.Errorf("status %d: %w", status, err)
			return
		}
		t.took = append(t.took, time.Since(sent))
		t.statuses[status]++
	}
}

func sum(tallies []tally, took time.Duration) error {
	d := driven{Seconds: took.Seconds(), Statuses: map[string]int{}}
	var all []time.Duration
	for i := range tallies {
		if err := tallies[i].err; err != nil {
			return err
		}
		all = append(all, tallies[i].took...)
		for status, n := range tallies[i].statuses {
			if n > 0 {
				d.Statuses[strconv.Itoa(status)] += n
			}
		}
	}
	if len(all) == 0 {
		return fmt.Errorf("no request was made")
	}
	slices.Sort(all)
	d.Requests = len(all)
	d.RPS = float64(d.Requests) / d.Seconds
	d.P50MS, d.P99MS = atRank(all, 0.5), atRank(all, 0.99)
	return report(d)
}

// atRank returns a quantile in milliseconds.
func atRank(sorted []time.Duration, quantile float64) float64 {
	i := min(int(quantile*float64(len(sorted))), len(sorted)-1)
	return float64(sorted[i]) / float64(time.Millisecond)
}
