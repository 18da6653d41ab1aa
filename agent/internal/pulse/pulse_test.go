package pulse

import (
	"sync/atomic"
	"testing"
	"time"
)

// waitFor waits until the count exceeds a value, for much longer than a beat takes.
func waitFor(t *testing.T, what string, count *atomic.Int64, above int64) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); count.Load() <= above; time.Sleep(Interval / 10) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d beats, want more than %d", what, count.Load(), above)
		}
	}
}

// sign signs for the loop until the returned function is called.
func sign(l *Loop) (hang func()) {
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(Interval / 4):
				l.Sign()
			}
		}
	}()
	return func() { close(done) }
}

func TestHungLoopStopsThePulse(t *testing.T) {
	var beats atomic.Int64
	defer Each(func() { beats.Add(1) })()
	well, hangs := Watch(), Watch()
	defer well.Leave()
	defer sign(well)()
	hang := sign(hangs)
	waitFor(t, "both loops answer", &beats, 3)

	hang()
	time.Sleep(patience + 2*Interval)
	before := beats.Load()
	time.Sleep(5 * Interval)
	if after := beats.Load(); after != before {
		t.Errorf("%d beats while a loop hung", after-before)
	}

	hangs.Leave()
	waitFor(t, "the loop that hung has left", &beats, before+2)
}

func TestNothingBeatsAfterStop(t *testing.T) {
	var beats, others atomic.Int64
	stop := Each(func() { beats.Add(1) })
	defer Each(func() { others.Add(1) })()
	waitFor(t, "first beat", &beats, 0)
	stop()
	before := beats.Load()
	waitFor(t, "the others go on", &others, others.Load()+3)
	if after := beats.Load(); after != before {
		t.Errorf("%d beats after the stop", after-before)
	}
}
