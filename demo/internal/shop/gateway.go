package shop

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httputil"
	"time"

	"chaosgo/demo/internal/upstream"
)

// gateway is the public entry. It sends no request twice, because an order would be made twice, and retries in two
// layers multiply. It only opens a connection again that was refused.
type gateway struct {
	usersURL, checkoutURL         baseURL
	usersTimeout, checkoutTimeout time.Duration
	maxConnectionAge              time.Duration
}

func (g *gateway) register(flags *flag.FlagSet) {
	registerURL(flags, &g.usersURL, "users", "http://127.0.0.1:8082")
	registerURL(flags, &g.checkoutURL, "checkout", "http://127.0.0.1:8081")
	flags.DurationVar(&g.usersTimeout, "users-timeout", time.Second, "wait this `time` for users")
	flags.DurationVar(&g.checkoutTimeout, "checkout-timeout", 3*time.Second, "wait this `time` for checkout")
	registerMaxConnectionAge(flags, &g.maxConnectionAge)
}

func (g *gateway) check() error {
	if g.maxConnectionAge < 0 {
		return fmt.Errorf("--max-connection-age %s is negative; give one such as 2s", g.maxConnectionAge)
	}
	return checkPositive(map[string]time.Duration{"users-timeout": g.usersTimeout, "checkout-timeout": g.checkoutTimeout})
}

func (g *gateway) routes(env environment) map[string]http.Handler {
	transport := upstream.NewRecycler(g.maxConnectionAge, upstream.Redialing(env.dial))
	forward := func(name string, target *baseURL, timeout time.Duration) http.Handler {
		proxy := &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(&target.URL)
				r.SetXForwarded()
			},
			Transport:    transport,
			ErrorHandler: answerFailure(name),
		}
		if env.bad.has(noTimeout) {
			return proxy
		}
		return limited(proxy, timeout)
	}
	return map[string]http.Handler{
		"GET /api/v1/users/{id}": forward("users", &g.usersURL, g.usersTimeout),
		"POST /api/v1/sessions":  forward("users", &g.usersURL, g.usersTimeout),
		"POST /checkout":         forward("checkout", &g.checkoutURL, g.checkoutTimeout),
	}
}

func limited(next http.Handler, timeout time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// answerFailure answers for the service called name if that gave no valid answer.
func answerFailure(name string) func(http.ResponseWriter, *http.Request, error) {
	return func(w http.ResponseWriter, _ *http.Request, err error) {
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			writeProblem(w, http.StatusGatewayTimeout, name+"-timeout", name+" did not answer in time")
		case errors.Is(err, context.Canceled):
			w.WriteHeader(statusClientGone)
		default:
			writeProblem(w, http.StatusBadGateway, name+"-unavailable", err.Error())
		}
	}
}
