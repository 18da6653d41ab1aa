package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/sony/gobreaker/v2"
)

// errCallerGone means that the one who asked does not wait for the answer any more: nobody's failure.
var errCallerGone = errors.New("the caller has gone")

// StatusError is an answer whose status is not 2xx.
type StatusError struct{ Status int }

func (e *StatusError) Error() string {
	return fmt.Sprintf("status %d %s", e.Status, http.StatusText(e.Status))
}

// isUpstreamFailure tells failures of the upstream (5xx, 429, timeout, broken connection, unreadable body) from
// answers that would be the same next time, such as 404.
func isUpstreamFailure(err error) bool {
	if err == nil || errors.Is(err, errCallerGone) {
		return false
	}
	if status, ok := errors.AsType[*StatusError](err); ok {
		return status.Status >= http.StatusInternalServerError || status.Status == http.StatusTooManyRequests
	}
	return true
}

// mayRetry is isUpstreamFailure without the refusals of the breaker: those are meant to spare the upstream.
func mayRetry(err error) bool {
	refused := errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests)
	return !refused && isUpstreamFailure(err)
}

// outcome is the label of an attempt in the metrics.
func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, errCallerGone):
		return "caller-gone"
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		return "breaker-open"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	if status, ok := errors.AsType[*StatusError](err); ok {
		return fmt.Sprintf("status-%d", status.Status)
	}
	return "broken"
}
