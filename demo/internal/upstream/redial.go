package upstream

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

const (
	dialAttempts = 5
	firstRedial  = 10 * time.Millisecond // doubled each time: 150 ms for all attempts
)

// Redialing returns a DialFunc that opens a connection again if it was refused. Nothing has been sent by then, so this
// is right for requests too that must not be repeated. Behind the address of a service with several pods, the next
// connection probably reaches another pod. With dial nil it uses the real network.
func Redialing(dial DialFunc) DialFunc {
	dial = orReal(dial)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		wait := firstRedial
		for tried := 1; ; tried++ {
			conn, err := dial(ctx, network, address)
			if tried == dialAttempts || !errors.Is(err, syscall.ECONNREFUSED) {
				return conn, err
			}
			select {
			case <-ctx.Done():
				return nil, err
			case <-time.After(wait):
				wait *= 2
			}
		}
	}
}
