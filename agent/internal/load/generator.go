// Package load drives open-loop load: requests leave at their intended times whatever the service does.
// Latency counts from the intended time, so that a stall of the service delays every request that was
// due during it.
package load

import (
	"context"
	"math"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"chaosgo/agent/internal/spec"
)

const (
	// lateAfter is how long after its intended time a request may leave.
	lateAfter = 50 * time.Millisecond
	// Bounds of the requests in flight when the spec gives none.
	leastInFlight = 256
	mostInFlight  = 4096
	// mostWaiting bounds the requests that wait for a slot.
	mostWaiting = 1 << 20
)

// Generator is one load.
type Generator struct {
	load     Load
	origin   time.Time // when the first second begins, if the spec says so
	client   *http.Client
	timeout  time.Duration
	jobs     chan job
	slots    int64        // requests that may be in flight, each a worker
	underWay atomic.Int64 // requests in line or in flight
	workers  sync.WaitGroup
	ledger   *ledger
	pacer    pacer
	paced    chan struct{} // closed when the pacer has ended
}

// job is one request that is due.
type job struct {
	second   int
	intended time.Time
	// free tells that a slot was free when the request was due. If it still leaves late, the generator is
	// to blame.
	free bool
}

// New prepares a valid load and looks up the host, so that a wrong name is refused before anything is
// sent. It calls emit for every second of intended time, in order, once all requests of it have ended.
func New(s *Load, emit func(LoadSecond)) (*Generator, error) {
	if err := resolve(s.URL); err != nil {
		return nil, err
	}
	origin, err := s.origin(time.Now()) // after the look-up, which may take seconds
	if err != nil {
		return nil, err
	}
	timeout := time.Duration(s.TimeoutMS * float64(time.Millisecond))
	inFlight := s.MaxInFlight
	if inFlight == 0 {
		inFlight = int(min(mostInFlight, max(leastInFlight, math.Ceil(s.RateRPS*timeout.Seconds()))))
	}
	g := &Generator{
		load: *s, origin: origin, client: newClient(inFlight), timeout: timeout, slots: int64(inFlight),
		// A request waits for at most one timeout before it is dropped. A slot is busy for at most one
		// timeout, and only a free slot takes dropped requests out of the line. So two timeouts may wait.
		jobs:   make(chan job, int(min(mostWaiting, 2*s.RateRPS*timeout.Seconds()+1))),
		ledger: newLedger(emit), pacer: newPacer(), paced: make(chan struct{}),
	}
	g.workers.Add(inFlight)
	for range inFlight {
		go g.work()
	}
	return g, nil
}

// Start begins to send at the time that was asked for, or at once.
func (g *Generator) Start() {
	origin := g.origin
	if g.load.StartUnixS == 0 {
		origin = time.Now()
	}
	first := origin.Add(time.Duration(g.load.FirstAfterMS * float64(time.Millisecond)))
	g.ledger.begin(origin, first)
	go func() {
		defer close(g.paced)
		g.pacer.run(first, g.load.RateRPS, g.due)
	}()
	go g.tick()
}

// Stop ends the sending, waits for the requests under way (each is bounded by its timeout), calls emit
// for the remaining seconds and returns the sum of all.
func (g *Generator) Stop() LoadSecond {
	g.pacer.stop()
	<-g.paced
	close(g.jobs)
	g.workers.Wait()
	g.client.CloseIdleConnections()
	return g.ledger.end()
}

// due puts a request in line; next is when the one after it is due.
func (g *Generator) due(intended, next time.Time) {
	j := job{second: g.ledger.intend(intended, next), intended: intended, free: g.underWay.Add(1) <= g.slots}
	select {
	case g.jobs <- j:
	default:
		g.underWay.Add(-1)
		g.ledger.finish(j, result{dropped: true})
	}
}

// tick emits seconds that are over while no request ends.
func (g *Generator) tick() {
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case now := <-t.C:
			g.ledger.pass(now)
		case <-g.paced:
			return
		}
	}
}

// work sends one request after the other.
func (g *Generator) work() {
	defer g.workers.Done()
	for j := range g.jobs {
		r := g.serve(j)
		g.underWay.Add(-1)
		g.ledger.finish(j, r)
	}
}

func (g *Generator) serve(j job) result {
	sent := time.Now()
	if sent.Sub(j.intended) > g.timeout {
		return result{dropped: true}
	}
	r := g.send()
	ended := time.Now()
	r.late = j.free && sent.Sub(j.intended) > lateAfter
	r.latency, r.serviceTime = ended.Sub(j.intended), ended.Sub(sent)
	return r
}

func newClient(inFlight int) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{}).DialContext, // the timeout of the request bounds it
			MaxIdleConnsPerHost: inFlight,
			DisableCompression:  true,
		},
		// A redirect is the answer, not a reason to send a second request.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func resolve(address string) error {
	const field = "load.url"
	u, err := url.Parse(address)
	if err != nil {
		return spec.Bad(field, spec.Hidden(address), "not a URL", "give one like http://127.0.0.1:8080/path")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := net.DefaultResolver.LookupHost(ctx, u.Hostname()); err != nil {
		return spec.Bad(field, u.Redacted(), "the host cannot be resolved: "+err.Error(), "correct the host name, or give an address")
	}
	return nil
}
