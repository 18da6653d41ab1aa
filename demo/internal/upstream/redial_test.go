package upstream

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"chaosgo/demo/internal/pipenet"
)

// refusingFirst refuses n connections and then lets them pass.
func refusingFirst(n int, network *pipenet.Network, dials *int) DialFunc {
	return func(ctx context.Context, kind, address string) (net.Conn, error) {
		if *dials++; *dials <= n {
			return pipenet.New().Dial(ctx, kind, address) // nothing listens in it
		}
		return network.Dial(ctx, kind, address)
	}
}

func TestARefusedConnectionIsOpenedAgain(t *testing.T) {
	for refused, want := range map[int]time.Duration{0: 0, 1: 10 * time.Millisecond, 4: 150 * time.Millisecond, 5: -1} {
		synctest.Test(t, func(t *testing.T) {
			network, dials := pipenet.New(), 0
			listener := network.Listen("users")
			go func() { _, _ = listener.Accept() }()
			defer listener.Close()
			began := time.Now()
			_, err := Redialing(refusingFirst(refused, network, &dials))(t.Context(), "tcp", "users:80")
			if took := time.Since(began); want >= 0 && (err != nil || took != want) {
				t.Errorf("refused %d times: %v after %s, want a connection after %s", refused, err, took, want)
			}
			if want < 0 && (!errors.Is(err, syscall.ECONNREFUSED) || dials != dialAttempts) {
				t.Errorf("refused %d times: %v after %d attempts, want %d", refused, err, dials, dialAttempts)
			}
		})
	}
}

func TestACallerWhoLeavesEndsTheDialing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dials := 0
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Millisecond)
		defer cancel()
		_, err := Redialing(refusingFirst(9, nil, &dials))(ctx, "tcp", "users:80")
		if !errors.Is(err, syscall.ECONNREFUSED) || dials != 2 {
			t.Errorf("got %v after %d attempts, want a refusal after 2", err, dials)
		}
	})
}

func TestAnotherErrorIsNotTriedAgain(t *testing.T) {
	dials, unreachable := 0, &net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}
	_, err := Redialing(func(context.Context, string, string) (net.Conn, error) {
		dials++
		return nil, unreachable
	})(t.Context(), "tcp", "users:80")
	if !errors.Is(err, syscall.EHOSTUNREACH) || dials != 1 {
		t.Errorf("got %v after %d attempts, want one", err, dials)
	}
}
