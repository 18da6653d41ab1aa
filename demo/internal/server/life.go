package server

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// life says whether a role can serve: not before it has warmed up. It is ready for new clients from then on until it
// is told to end.
type life struct {
	warmAt time.Time
	ending atomic.Bool
}

func newLife(warmUp time.Duration) *life { return &life{warmAt: time.Now().Add(warmUp)} }

func (l *life) isWarm() bool { return !time.Now().Before(l.warmAt) }

// readyz answers whether new clients should come, for the readiness probe of Kubernetes.
func (l *life) readyz(w http.ResponseWriter, _ *http.Request) {
	switch {
	case l.ending.Load():
		answerStatus(w, http.StatusServiceUnavailable, "ending")
	case !l.isWarm():
		answerStatus(w, http.StatusServiceUnavailable, "warming up")
	default:
		answerStatus(w, http.StatusOK, "ready")
	}
}

// needsWarmth answers 503 until the role has warmed up.
func (l *life) needsWarmth(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.isWarm() {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, `{"error":"warming-up","message":"warming up; try again later"}`)
	})
}

// sendsAway closes each connection after its answer once the role is told to end, so that its client opens the next
// one elsewhere. Idle connections stay open: a request could be on its way on them.
func (l *life) sendsAway(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.ending.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

func answerStatus(w http.ResponseWriter, code int, status string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprintf(w, "{\"status\":%q}\n", status)
}
