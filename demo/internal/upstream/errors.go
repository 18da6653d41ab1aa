package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/sony/gobreaker/v2"
)

// errCallerGone means that the caller has stopped waiting for the answer. It is no failure of the upstream.
var errCallerGone = errors.New("the caller has gone")

// StatusError is an answer whose status is not 2xx.
type StatusError struct{ Status int }

func (e *StatusError) Error() string {
	return fmt.Sprintf("status %d %s", e.Status, http.StatusText(e.Status))
}

// isUpstreamFailure returns true for failures of the upstream (5xx, 429, timeout, broken connection, unreadable
// body). It returns false for answers that a retry would not change, such as 404.
func isUpstreamFailure(err error) bool {
	if err == nil || errors.Is(err, errCallerGone) {
		return false
	}
	if status, ok := errors.AsType[*StatusError](err); ok {
		return status.Status >= http.StatusInternalServerError || status.Status == http.StatusTooManyRequests
	}
	return true
}

// mayRetry is isUpstreamFailure without the refusals of the breaker: a retry of these would defeat its purpose.
func mayRetry(err error) bool {
	refused := errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests)
	return !refused && isUpstreamFailure(err)
}

// outcome returns the label of an attempt in the metrics.
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
