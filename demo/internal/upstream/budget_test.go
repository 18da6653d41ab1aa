package upstream

import (
	"testing"
	"testing/synctest"
	"time"
)

func allowed(b *Budget) (retries int) {
	for b.TryRetry() {
		retries++
	}
	return retries
}

func TestBudgetIsFloorPlusShareOfTheLastTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := NewBudget(0.5, 3)
		if got := allowed(budget); got != 3 {
			t.Errorf("%d retries without requests, want the floor of 3", got)
		}
		for range 20 {
			budget.Request()
		}
		if got := allowed(budget); got != 10 {
			t.Errorf("%d more retries after 20 requests, want half of them", got)
		}
		time.Sleep(9 * time.Second)
		if got := allowed(budget); got != 0 {
			t.Errorf("%d retries 9 s later, want 0: those taken still count", got)
		}
		time.Sleep(time.Second)
		if got := allowed(budget); got != 3 {
			t.Errorf("%d retries 10 s later, want the floor of 3: requests and retries are forgotten", got)
		}
	})
}
