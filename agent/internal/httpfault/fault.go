package httpfault

import (
	"math"
	"math/rand/v2"
	"regexp"
	"sync"
	"time"

	"chaosgo/agent/internal/distribution"
	"chaosgo/agent/internal/relay"
	"chaosgo/agent/internal/spec"
)

// fault is one abort, delay or edit with its own name, matching, random draws and counters.
type fault struct {
	id         string
	path       *regexp.Regexp // nil matches every path
	method     string
	headers    map[string]*regexp.Regexp
	percentage float64
	seed       uint64
	abort      *relay.Response
	delay      *distribution.Delay
	edit       *relay.Edit
	over       chan struct{} // closed when the fault ends; the requests that it holds then go on

	mu     sync.Mutex
	random *rand.Rand
	count  HTTPTotals
	asked  time.Duration // sum of the delays that were drawn
	held   time.Duration // sum of the delays that were obtained
	most   time.Duration // longest of these
	ended  uint64        // how many delays held is the sum of
}

func newFault(s *spec.Spec) (*fault, error) {
	h := asked(s)
	f := &fault{id: s.ID, percentage: h.Percentage, seed: h.Seed, over: make(chan struct{})}
	for f.seed == 0 {
		f.seed = rand.Uint64N(math.MaxInt32) // short enough to type again
	}
	f.random = rand.New(rand.NewPCG(f.seed, 0))
	if h.Abort != nil {
		f.abort = relay.NewResponse(h.Abort.Status, h.Abort.Headers, h.Abort.Body)
	}
	if h.Delay != nil {
		f.delay = &h.Delay.Delay
	}
	if h.Modify != nil {
		var body []byte // nil leaves the service's
		if h.Modify.Body != "" || h.Modify.RemoveBody {
			body = []byte(h.Modify.Body)
		}
		f.edit = relay.NewEdit(h.Modify.SetHeaders, body, f.over, f.modified)
	}
	return f, f.compile(h.Match)
}

func (f *fault) compile(m *Match) error {
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

// hits tells whether the fault is applied to a request: the request matches, and the random draw selects
// it. For a delay it also draws the time. An edit is counted later, when the answer was really changed.
func (f *fault) hits(r *relay.Request) (hit bool, delay time.Duration) {
	matches := f.matches(r)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count.Seen++
	if !matches {
		return false, 0
	}
	f.count.Matched++
	if f.random.Float64()*100 >= f.percentage {
		return false, 0
	}
	switch {
	case f.abort != nil:
		f.count.Aborted++
	case f.delay != nil:
		delay = f.delay.Draw(f.random)
		f.count.Delayed++
		f.asked += delay
	}
	return true, delay
}

func (f *fault) modified() {
	f.mu.Lock()
	f.count.Modified++
	f.mu.Unlock()
}

func (f *fault) matches(r *relay.Request) bool {
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

func (f *fault) totals() *HTTPTotals {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.count
	t.DelayAskedMS = mean(f.asked, t.Delayed)
	t.DelayObtainedMS = mean(f.held, f.ended)
	t.DelayObtainedMaxMS = mean(f.most, 1)
	return &t
}

// mean gives milliseconds, and 0 when n is 0.
func mean(sum time.Duration, n uint64) float64 {
	if n == 0 {
		return 0
	}
	return float64(sum) / float64(time.Millisecond) / float64(n)
}
