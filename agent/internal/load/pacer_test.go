package load

import (
	"testing"
	"testing/synctest"
	"time"
)

// pace runs a pacer in fake time and gives when each request was due and when it was called.
func pace(t *testing.T, rateRPS float64, n int, work time.Duration) (intended, called []time.Duration) {
	synctest.Test(t, func(*testing.T) {
		origin := time.Now()
		p := &threadPacer{sleep: time.Sleep}
		p.run(origin, rateRPS, func(at, next time.Time) {
			intended = append(intended, at.Sub(origin))
			called = append(called, time.Since(origin))
			if !next.After(at) {
				t.Errorf("request %d is followed by %v", len(intended), next.Sub(at))
			}
			time.Sleep(work)
			if len(intended) == n {
				p.stop()
			}
		})
	})
	return intended, called
}

func TestPacerKeepsTheRate(t *testing.T) {
	intended, called := pace(t, 3, 7, 0)
	for i := range intended {
		want := time.Duration(float64(i) / 3 * float64(time.Second))
		if intended[i] != want || called[i] < want || called[i] > want+time.Nanosecond {
			t.Errorf("request %d: intended %v, called %v, want %v", i, intended[i], called[i], want)
		}
	}
}

// A pacer that was held up must not shift the intended times, or the latency would not count the delay.
func TestPacerThatWasHeldUpCatchesUp(t *testing.T) {
	intended, called := pace(t, 100, 4, 25*time.Millisecond)
	for i := range intended {
		if want := time.Duration(i) * 10 * time.Millisecond; intended[i] != want {
			t.Errorf("request %d: intended %v, want %v", i, intended[i], want)
		}
		if want := time.Duration(i) * 25 * time.Millisecond; called[i] != want {
			t.Errorf("request %d: called at %v, want %v", i, called[i], want)
		}
	}
}
