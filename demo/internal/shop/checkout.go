package shop

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chaosgo/demo/internal/latency"
	"chaosgo/demo/internal/upstream"
)

const (
	// defaultAttempts: if 30 % of answers fail, 0.3^6 = 0.07 % of calls still fail; with five attempts, 0.24 %.
	defaultAttempts = 6
	// defaultRetryRatio: those calls need 0.43 retries each on average (0.3 + 0.3^2 + ... + 0.3^5).
	defaultRetryRatio = 0.6
	defaultRetryFloor = 20
	firstBackoff      = 5 * time.Millisecond
	maxAttempts       = 20
	stormAttempts     = 25
)

// checkout is the role that sells. If it cannot look up the user, it answers with an error. If it gets no answer
// from risk, it rejects the order.
type checkout struct {
	usersURL, riskURL         baseURL
	usersTimeout, riskTimeout time.Duration
	maxConnectionAge          time.Duration
	attempts                  int
	retryRatio                float64
	retryFloor                int
	seed                      uint64
}

func (c *checkout) register(flags *flag.FlagSet) {
	registerURL(flags, &c.usersURL, "users", "http://127.0.0.1:8082")
	registerURL(flags, &c.riskURL, "risk", "http://127.0.0.1:8083")
	flags.DurationVar(&c.usersTimeout, "users-timeout", 200*time.Millisecond, "wait this `time` for each attempt to ask users")
	flags.DurationVar(&c.riskTimeout, "risk-timeout", 300*time.Millisecond, "wait this `time` for risk, then reject")
	flags.IntVar(&c.attempts, "attempts", defaultAttempts, "ask users up to `n` times")
	flags.Float64Var(&c.retryRatio, "retry-ratio", defaultRetryRatio, "retry budget: retries per request, as a `share`")
	flags.IntVar(&c.retryFloor, "retry-floor", defaultRetryFloor, "retry budget: `n` retries per 10 s that are always allowed")
	flags.Uint64Var(&c.seed, "seed", 1, "seed `n` of the backoff")
	registerMaxConnectionAge(flags, &c.maxConnectionAge)
}

func (c *checkout) check() error {
	switch {
	case c.attempts < 1 || c.attempts > maxAttempts:
		return fmt.Errorf("--attempts %d is not in 1..%d; give one such as %d", c.attempts, maxAttempts, defaultAttempts)
	case !(c.retryRatio >= 0 && c.retryRatio <= maxAttempts): // NaN too
		return fmt.Errorf("--retry-ratio %g is not in 0..%d; give one such as %g", c.retryRatio, maxAttempts, defaultRetryRatio)
	case c.retryFloor < 0:
		return fmt.Errorf("--retry-floor %d is negative; give one such as %d", c.retryFloor, defaultRetryFloor)
	case c.maxConnectionAge < 0:
		return fmt.Errorf("--max-connection-age %s is negative; give one such as 2s", c.maxConnectionAge)
	}
	return checkPositive(map[string]time.Duration{"users-timeout": c.usersTimeout, "risk-timeout": c.riskTimeout})
}

// usersPolicy retries often: a lookup can be repeated without harm, and without it there is no sale.
func (c *checkout) usersPolicy(bad *variants) upstream.Policy {
	policy := upstream.Policy{
		Timeout:  c.usersTimeout,
		Attempts: c.attempts,
		Backoff:  firstBackoff,
		Budget:   upstream.NewBudget(c.retryRatio, c.retryFloor),
		Breaker:  !bad.has(noBreaker),
	}
	if bad.has(noTimeout) {
		policy.Timeout = 0
	}
	if bad.has(noRetry) {
		policy.Attempts = 1
	}
	if bad.has(retryStorm) {
		policy.Attempts, policy.Backoff, policy.Budget = stormAttempts, 0, nil
	}
	return policy
}

// riskPolicy makes one attempt: a second one would begin only after the customer has waited for the whole timeout.
// A connection that is refused costs no time, and is opened again within the attempt.
func (c *checkout) riskPolicy(bad *variants) upstream.Policy {
	policy := upstream.Policy{Timeout: c.riskTimeout, Breaker: !bad.has(noBreaker)}
	if bad.has(noTimeout) {
		policy.Timeout = 0
	}
	return policy
}

func (c *checkout) routes(env environment) map[string]http.Handler {
	metrics := upstream.NewMetrics(env.registry)
	random := latency.NewRandom(c.seed)
	fallbacks := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "shop_fallbacks_total", Help: "Checkouts rejected because risk did not answer.",
	})
	env.registry.MustRegister(fallbacks)
	seller := &seller{
		users: upstream.NewClient("users", c.usersURL.String(), upstream.NewRecycler(c.maxConnectionAge, env.dial),
			c.usersPolicy(&env.bad), random, metrics),
		risk: upstream.NewClient("risk", c.riskURL.String(), upstream.NewRecycler(c.maxConnectionAge, upstream.Redialing(env.dial)),
			c.riskPolicy(&env.bad), random, metrics),
		fallbacks: fallbacks,
	}
	return map[string]http.Handler{"POST /checkout": seller}
}

type seller struct {
	users, risk *upstream.Client
	fallbacks   prometheus.Counter
}

func (s *seller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	order, ok := readOrder(w, r)
	if !ok {
		return
	}
	user, err := upstream.Call[User](r.Context(), s.users, http.MethodGet, "/api/v1/users/"+url.PathEscape(order.UserID), nil)
	if err != nil {
		s.refuse(w, r, order, err)
		return
	}
	order.UserID = user.ID
	decision, err := upstream.Call[Decision](r.Context(), s.risk, http.MethodPost, "/api/v1/check-transaction", order)
	if r.Context().Err() != nil {
		w.WriteHeader(statusClientGone)
		return
	}
	if err != nil {
		s.fallbacks.Inc()
		decision = Decision{Decision: reject, Reason: reasonRiskUnavailable}
	}
	decision.Operation = ""
	writeJSON(w, http.StatusOK, decision)
}

func (s *seller) refuse(w http.ResponseWriter, r *http.Request, order Order, err error) {
	status, answered := errors.AsType[*upstream.StatusError](err)
	switch {
	case r.Context().Err() != nil:
		w.WriteHeader(statusClientGone)
	case answered && status.Status == http.StatusNotFound:
		writeProblem(w, http.StatusNotFound, "no-such-user", fmt.Sprintf("no user %q", order.UserID))
	default:
		writeProblem(w, http.StatusServiceUnavailable, "users-unavailable", err.Error())
	}
}
