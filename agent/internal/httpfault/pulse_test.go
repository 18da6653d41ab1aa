package httpfault

import (
	"sync/atomic"
	"testing"
	"time"

	"chaosgo/agent/internal/pulse"
)

func TestPlaceThatDecidesNothingStopsThePulse(t *testing.T) {
	p := newPlace()
	defer p.Close(nil)
	var beats atomic.Int64
	defer pulse.Each(func() { beats.Add(1) })()

	p.mu.Lock()
	time.Sleep(pulse.Interval) // a beat may be under way
	before := beats.Load()
	time.Sleep(4 * pulse.Interval)
	during := beats.Load() - before
	p.mu.Unlock()
	if during != 0 {
		t.Errorf("%d beats while no request could be decided", during)
	}
	for deadline := time.Now().Add(10 * time.Second); beats.Load() < before+2; time.Sleep(pulse.Interval / 4) {
		if time.Now().After(deadline) {
			t.Fatal("no beat afterwards")
		}
	}
}
