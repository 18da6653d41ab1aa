// Package upstream calls another service and tolerates its failures. It has a timeout per attempt, retries with
// jittered backoff and a budget, a circuit breaker, and a maximum age of connections.
//
//	Call -> retry loop (budget, backoff) -> breaker -> one attempt (timeout) -> Recycler -> network
package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/sony/gobreaker/v2"

	"chaosgo/demo/internal/latency"
)

const (
	maxAnswerBytes = 1 << 20
	maxBackoff     = 50 * time.Millisecond

	breakerWindow       = 5 * time.Second
	breakerBucket       = breakerWindow / 10
	breakerMinAttempts  = 50  // with fewer, 30 % of failures could look like an outage by chance
	breakerFailureShare = 0.6 // well above the share of failures that the retries compensate
	breakerOpenFor      = 2 * time.Second
	breakerTrials       = 5
)

// Policy says how a client retries. The zero value makes one attempt without a timeout.
type Policy struct {
	Timeout  time.Duration // per attempt; 0 = none
	Attempts int           // including the first; 0 = 1
	Backoff  time.Duration // upper limit of the first wait, doubled for each further wait up to 50 ms; 0 = no wait
	Budget   *Budget       // nil = every retry is allowed
	Breaker  bool          // opens for 2 s when 60 % of >= 50 attempts in the last 5 s failed
}

// Client calls one upstream.
type Client struct {
	name    string
	baseURL string
	http    *http.Client
	policy  Policy
	breaker *gobreaker.CircuitBreaker[[]byte] // nil = none
	random  *latency.Random
	metrics *Metrics
}

// NewClient returns a client of the upstream called name at baseURL ("http://host:port"). random is the source of
// the jitter of the backoff.
func NewClient(name, baseURL string, transport http.RoundTripper, policy Policy, random *latency.Random, metrics *Metrics) *Client {
	c := &Client{name: name, baseURL: baseURL, http: &http.Client{Transport: transport}, policy: policy, random: random, metrics: metrics}
	if policy.Breaker {
		c.breaker = newBreaker(name, metrics)
	}
	metrics.declare(name, policy.Breaker)
	return c
}

func newBreaker(name string, metrics *Metrics) *gobreaker.CircuitBreaker[[]byte] {
	return gobreaker.NewCircuitBreaker[[]byte](gobreaker.Settings{
		Name:         name,
		Interval:     breakerWindow,
		BucketPeriod: breakerBucket,
		Timeout:      breakerOpenFor,
		MaxRequests:  breakerTrials,
		ReadyToTrip: func(counts gobreaker.Counts) bool {
			return counts.Requests >= breakerMinAttempts &&
				float64(counts.TotalFailures) >= breakerFailureShare*float64(counts.Requests)
		},
		IsSuccessful:  func(err error) bool { return !isUpstreamFailure(err) },
		IsExcluded:    func(err error) bool { return errors.Is(err, errCallerGone) },
		OnStateChange: func(_ string, _, to gobreaker.State) { metrics.showBreaker(name, to) },
	})
}

// Answer is a JSON answer of an upstream. Check returns an error if the answer is invalid.
type Answer interface{ Check() error }

// Call sends in as JSON (nil = no body) and returns the answer of the first attempt that succeeded.
// The error wraps *StatusError if the upstream answered with a status other than 2xx.
func Call[T Answer](ctx context.Context, c *Client, method, path string, in any) (T, error) {
	var answer T
	body, err := encode(in)
	if err != nil {
		return answer, err
	}
	err = c.retry(ctx, func() error {
		var fresh T // so that no data of a failed attempt remain
		err := c.attempt(ctx, method, path, body, func(raw []byte) error {
			if err := json.Unmarshal(raw, &fresh); err != nil {
				return err
			}
			return fresh.Check()
		})
		answer = fresh
		return err
	})
	return answer, err
}

func encode(in any) ([]byte, error) {
	if in == nil {
		return nil, nil
	}
	return json.Marshal(in)
}

// retry runs attempt until it succeeds, fails in a way that a retry cannot fix, or the attempts or the budget are
// used up.
func (c *Client) retry(ctx context.Context, attempt func() error) error {
	if c.policy.Budget != nil {
		c.policy.Budget.Request()
	}
	for tried := 1; ; tried++ {
		err := attempt()
		c.metrics.attempts.WithLabelValues(c.name, outcome(err)).Inc()
		if err == nil {
			return nil
		}
		if tried >= c.policy.Attempts || !mayRetry(err) {
			return fmt.Errorf("%s: gave up after attempt %d: %w", c.name, tried, err)
		}
		if c.policy.Budget != nil && !c.policy.Budget.TryRetry() {
			c.metrics.refused.WithLabelValues(c.name).Inc()
			return fmt.Errorf("%s: retry budget used up after attempt %d: %w", c.name, tried, err)
		}
		if !c.pause(ctx, tried) {
			return fmt.Errorf("%s: %w", c.name, errCallerGone)
		}
		c.metrics.retries.WithLabelValues(c.name).Inc()
	}
}

// pause waits a random time below the doubled limit ("full jitter", so that clients do not retry at the same time).
// It returns false if the caller has gone meanwhile.
func (c *Client) pause(ctx context.Context, tried int) bool {
	if c.policy.Backoff == 0 {
		return ctx.Err() == nil
	}
	limit := min(c.policy.Backoff<<(tried-1), maxBackoff)
	timer := time.NewTimer(time.Duration(c.random.Fraction() * float64(limit)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// attempt sends one request, through the breaker if there is one.
func (c *Client) attempt(ctx context.Context, method, path string, body []byte, accept func([]byte) error) error {
	send := func() ([]byte, error) {
		raw, err := c.send(ctx, method, path, body)
		if err == nil {
			err = accept(raw)
		}
		if err != nil && ctx.Err() != nil {
			return nil, errCallerGone
		}
		return raw, err
	}
	if c.breaker == nil {
		_, err := send()
		return err
	}
	_, err := c.breaker.Execute(send)
	return err
}

// send sends the request and reads the whole answer within the timeout, so that a stalled body is a timeout as well.
func (c *Client) send(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	if c.policy.Timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, c.policy.Timeout)
		defer cancel()
		ctx = limited
	}
	request, err := http.NewRequestWithContext(ctx, method, c.baseURL+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if err != nil {
		return nil, err
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, &StatusError{Status: response.StatusCode}
	}
	return raw, nil
}
