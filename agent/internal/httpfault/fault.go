package httpfault

import (
	"math"
	"math/rand/v2"
	"regexp"
	"sync"
	"time"

	"chaosgo/agent/internal/http1"
	"chaosgo/agent/internal/spec"
)

// fault is one abort or delay with its own name, matching, dice and counters.
type fault struct {
	id         string
	path       *regexp.Regexp // nil matches every path
	method     string
	headers    map[string]*regexp.Regexp
	percentage float64
	seed       uint64
	abort      *http1.Response
	delay      *spec.HTTPDelay
	over       chan struct{} // closed at the end: what only this fault holds goes on

	mu    sync.Mutex
	dice  *rand.Rand
	count spec.HTTPTotals
	asked time.Duration // sum over all delayed requests
	held  time.Duration
	most  time.Duration
	ended uint64 // delays that are over, so that held can be averaged
}

func newFault(s *spec.Spec) (*fault, error) {
	h := s.HTTP
	f := &fault{id: s.ID, percentage: h.Percentage, seed: h.Seed, delay: h.Delay, over: make(chan struct{})}
	for f.seed == 0 {
		f.seed = rand.Uint64N(math.MaxInt32) // short enough to type again
	}
	f.dice = rand.New(rand.NewPCG(f.seed, 0))
	if h.Abort != nil {
		f.abort = http1.NewResponse(h.Abort.Status, h.Abort.Headers, h.Abort.Body)
	}
	return f, f.compile(h.Match)
}

func (f *fault) compile(m *spec.Match) error {
	if m == nil {
		return nil
	}
	f.method = m.Method
	var err error
	if m.Path != "" {
		if f.path, err = whole(m.Path); err != nil {
			return err
		}
	}
	f.headers = map[string]*regexp.Regexp{}
	for name, value := range m.Headers {
		if f.headers[name], err = whole(value); err != nil {
			return err
		}
	}
	return nil
}

func whole(expression string) (*regexp.Regexp, error) {
	return regexp.Compile(`^(?:` + expression + `)$`)
}

// decide tells what this fault does to one request: abort it, or hold it for a time, or neither.
func (f *fault) decide(r *http1.Request) (abort *http1.Response, delay time.Duration) {
	matches := f.matches(r)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count.Seen++
	if !matches {
		return nil, 0
	}
	f.count.Matched++
	if f.dice.Float64()*100 >= f.percentage {
		return nil, 0
	}
	if f.abort != nil {
		f.count.Aborted++
		return f.abort, 0
	}
	delay = draw(f.delay, f.dice)
	f.count.Delayed++
	f.asked += delay
	return nil, delay
}

func (f *fault) matches(r *http1.Request) bool {
	if f.method != "" && f.method != string(r.Method) {
		return false
	}
	if f.path != nil && !f.path.MatchString(r.Path()) {
		return false
	}
	for name, want := range f.headers {
		if !anyMatch(want, r.Header(name)) {
			return false
		}
	}
	return true
}

func anyMatch(want *regexp.Regexp, values []string) bool {
	for _, v := range values {
		if want.MatchString(v) {
			return true
		}
	}
	return false
}

// obtained counts how long a request was really held.
func (f *fault) obtained(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended++
	f.held += d
	f.most = max(f.most, d)
}

func (f *fault) totals() *spec.HTTPTotals {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.count
	t.DelayAskedMS = mean(f.asked, t.Delayed)
	t.DelayObtainedMS = mean(f.held, f.ended)
	t.DelayObtainedMaxMS = mean(f.most, 1)
	return &t
}

// mean is in milliseconds, and 0 of nothing.
func mean(sum time.Duration, n uint64) float64 {
	if n == 0 {
		return 0
	}
	return float64(sum) / float64(time.Millisecond) / float64(n)
}
