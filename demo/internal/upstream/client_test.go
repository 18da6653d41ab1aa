package upstream

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"chaosgo/demo/internal/latency"
)

type greeting struct {
	Word string `json:"word"`
}

func (g greeting) Check() error {
	if g.Word == "" {
		return errors.New("no word")
	}
	return nil
}

// upstreamThat answers the nth request (from 1) with script and counts the requests.
func upstreamThat(t *testing.T, script func(n int64, w http.ResponseWriter, r *http.Request)) (url string, count *atomic.Int64) {
	count = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		script(count.Add(1), w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, count
}

func greet(ctx context.Context, c *Client) (greeting, error) {
	return Call[greeting](ctx, c, http.MethodGet, "/", nil)
}

func newTestClient(t *testing.T, url string, policy Policy) *Client {
	transport := NewRecycler(time.Second, nil)
	t.Cleanup(transport.CloseIdleConnections)
	return NewClient("greeter", url, transport, policy, latency.NewRandom(1), NewMetrics(prometheus.NewRegistry()))
}

func TestWhatIsTriedAgain(t *testing.T) {
	const good = `{"word":"hello"}`
	for _, c := range []struct {
		name      string
		status    int
		body      string
		wantCalls int64
		wantError string
	}{
		{"server error", 503, "", 2, ""},
		{"too many requests", 429, "", 2, ""},
		{"body cut short", 200, `{"word":`, 2, ""},
		{"answer without sense", 200, `{}`, 2, ""},
		{"not found", 404, "", 1, "status 404 Not Found"},
		{"redirect to nowhere", 304, "", 1, "status 304 Not Modified"},
	} {
		url, calls := upstreamThat(t, func(n int64, w http.ResponseWriter, _ *http.Request) {
			status, body := c.status, c.body
			if n > 1 {
				status, body = 200, good
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		})
		client := newTestClient(t, url, Policy{Attempts: 3, Backoff: time.Millisecond, Breaker: true})
		got, err := greet(t.Context(), client)
		if c.wantError == "" && (err != nil || got.Word != "hello") {
			t.Errorf("%s: got %+v, %v", c.name, got, err)
		}
		if c.wantError != "" && (err == nil || !strings.Contains(err.Error(), c.wantError)) {
			t.Errorf("%s: got error %v, want %q", c.name, err, c.wantError)
		}
		if calls.Load() != c.wantCalls {
			t.Errorf("%s: %d calls, want %d", c.name, calls.Load(), c.wantCalls)
		}
		if got := testutil.ToFloat64(client.metrics.retries.WithLabelValues("greeter")); got != float64(c.wantCalls-1) {
			t.Errorf("%s: %g retries counted, want %d", c.name, got, c.wantCalls-1)
		}
	}
}

func TestAStalledBodyTimesOut(t *testing.T) {
	url, _ := upstreamThat(t, func(_ int64, w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"word":`))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	_, err := greet(t.Context(), newTestClient(t, url, Policy{Timeout: 50 * time.Millisecond}))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want a timeout", err)
	}
}

func TestACallerWhoLeavesIsNobodysFailure(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	url, calls := upstreamThat(t, func(_ int64, _ http.ResponseWriter, r *http.Request) {
		leave()
		<-r.Context().Done()
	})
	client := newTestClient(t, url, Policy{Attempts: 3, Breaker: true})
	_, err := greet(ctx, client)
	if !errors.Is(err, errCallerGone) || calls.Load() != 1 {
		t.Errorf("got %v after %d calls, want %v after one", err, calls.Load(), errCallerGone)
	}
	if counts := client.breaker.Counts(); counts.TotalFailures != 0 {
		t.Errorf("the breaker counted %d failures, want none", counts.TotalFailures)
	}
}

func TestARefusedRetryIsCounted(t *testing.T) {
	url, calls := upstreamThat(t, func(_ int64, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	client := newTestClient(t, url, Policy{Attempts: 9, Budget: NewBudget(0, 2)})
	_, err := greet(t.Context(), client)
	if err == nil || !strings.Contains(err.Error(), "retry budget used up after attempt 3: status 500") {
		t.Errorf("got %v", err)
	}
	if refused := testutil.ToFloat64(client.metrics.refused.WithLabelValues("greeter")); refused != 1 || calls.Load() != 3 {
		t.Errorf("%g refusals and %d calls, want 1 and 3", refused, calls.Load())
	}
}
