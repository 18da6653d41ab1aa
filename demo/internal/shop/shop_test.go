package shop

import (
	"encoding/json"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheWholeShopThroughTheGateway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.run("users")
		w.run("risk")
		w.run(checkoutAt)
		w.run(gatewayAt)
		w.ask("GET", "http://gateway/api/v1/users/42", "").expect(t, 200, `{"id":"42","name":"Claude 42"`)
		w.ask("GET", "http://gateway/api/v1/users/1001", "").expect(t, 404, `no user \"1001\"; there are 1 to 1000`)
		w.ask("POST", "http://gateway/api/v1/sessions", `{"user_id":"42"}`).expect(t, 201, `{"user_id":"42","token":"`)
		w.ask("POST", "http://gateway/api/v1/sessions", `{"user_id":"0"}`).expect(t, 404, `no user \"0\"; there are 1 to 1000`)
		w.ask("POST", "http://gateway/api/v1/sessions", `{}`).expect(t, 400, "user_id is empty; the body looks like")
		for amount, want := range map[string]string{
			"1000":    `{"decision":"approve","reason":"ok"}`,
			"1000.01": `{"decision":"reject","reason":"amount-over-limit"}`,
		} {
			w.ask("POST", "http://gateway/checkout", `{"user_id":"42","amount":`+amount+`}`).expect(t, 200, want)
		}
		got := w.metric("gateway", `shop_http_request_duration_seconds_count{code="200",route="POST /checkout"}`)
		if got != "2" {
			t.Errorf("gateway counted %s checkouts, want 2", got)
		}
	})
}

func TestAnswersOfRisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.run(quickRisk + " --max-amount 50")
		body := w.ask("POST", "http://risk/api/v1/check-transaction", `{"user_id":"42","amount":51}`).body
		var got Decision
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		if want := (Decision{"CheckTransaction", "reject", "amount-over-limit"}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

func TestBadOrdersAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.run(quickUsers)
		w.run(quickRisk)
		w.run(checkoutAt)
		for body, want := range map[string]string{
			"":                                       "the body is empty",
			"{":                                      "unexpected EOF",
			`{"user_id":42,"amount":1}`:              "user_id",
			`{"user_id":"","amount":1}`:              "user_id is empty",
			`{"user_id":"42","amount":0}`:            "amount 0 is not above 0",
			`{"user_id":"42","amount":1,"colour":1}`: `unknown field \"colour\"`,
		} {
			w.ask("POST", "http://checkout/checkout", body).expect(t, 400, want)
		}
		w.ask("POST", "http://checkout/checkout", `{"user_id":"nobody","amount":1}`).expect(t, 404, `no user \"nobody\"`)
	})
}

func TestSlowRiskFallsBackAfterItsTimeout(t *testing.T) {
	for _, c := range []struct {
		bad     string
		want    string
		elapsed time.Duration
	}{
		{"", `{"decision":"reject","reason":"risk-unavailable"}`, 300 * time.Millisecond},
		{"--bad no-timeout", `{"decision":"approve","reason":"ok"}`, 800 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newTown(t)
			w.run(quickUsers)
			w.run(quickRisk, delayed(800*time.Millisecond))
			w.run(checkoutAt + c.bad)
			got := w.buy(10)
			got.expect(t, 200, c.want)
			if got.elapsed != c.elapsed {
				t.Errorf("with %q it took %s, want exactly %s", c.bad, got.elapsed, c.elapsed)
			}
			if c.bad == "" && w.metric("checkout", "shop_fallbacks_total") != "1" {
				t.Error("the fallback was not counted")
			}
		})
	}
}

func TestFailingRiskFallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.run(quickUsers)
		w.run(quickRisk, answering503(always(1)))
		w.run(checkoutAt)
		w.buy(10).expect(t, 200, `{"decision":"reject","reason":"risk-unavailable"}`)
	})
}

func TestSlowUsersAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.run(quickUsers, delayed(time.Second))
		w.run(quickRisk)
		w.run(checkoutAt + "--users-timeout 100ms --attempts 2")
		got := w.buy(10)
		got.expect(t, 503, `"error":"users-unavailable"`)
		if got.elapsed < 200*time.Millisecond || got.elapsed > 210*time.Millisecond {
			t.Errorf("took %s, want two attempts of 100 ms and a short pause", got.elapsed)
		}
	})
}

// failedShare buys n times while 30 % of the answers of users are 503, and returns the share that failed.
func failedShare(t *testing.T, bad string, n int) (share float64) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.run("users", answering503(always(0.3)))
		w.run("risk")
		w.run(checkoutAt + bad)
		failed := 0
		for range n {
			switch got := w.buy(10); got.status {
			case 200:
			case 503:
				failed++
			default:
				t.Fatalf("got %d %s", got.status, got.body)
			}
		}
		share = float64(failed) / float64(n)
	})
	return share
}

func TestRetriesRescueCheckoutsFrom30PercentFailures(t *testing.T) {
	if share := failedShare(t, "", 3000); share >= 0.002 {
		t.Errorf("%.2f %% of checkouts failed, want below 0.2 %%", 100*share)
	}
	if share := failedShare(t, "--bad no-retry", 600); share < 0.25 || share > 0.35 {
		t.Errorf("without retries %.1f %% of checkouts failed, want about 30 %%", 100*share)
	}
}

// callsToDeadUsers buys 100 times while users always answers 503, and counts the requests that users gets.
func callsToDeadUsers(t *testing.T, bad string) (calls int64) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		var count atomic.Int64
		w.run(quickUsers, answering503(always(1)), counted(&count))
		w.run(quickRisk)
		w.run(checkoutAt + bad)
		for range 100 {
			w.buy(10).expect(t, 503, "users-unavailable")
		}
		calls = count.Load()
	})
	return calls
}

func TestRetryBudgetCapsAStorm(t *testing.T) {
	// The breakers are off: they would end both storms, but this test is about the budget alone.
	if calls := callsToDeadUsers(t, "--bad no-breaker"); calls > 100+20+60 {
		t.Errorf("%d calls for 100 checkouts, want at most 100 + 20 (floor) + 60 (ratio)", calls)
	}
	if calls := callsToDeadUsers(t, "--bad retry-storm,no-breaker"); calls != 100*stormAttempts {
		t.Errorf("%d calls in a storm of 100 checkouts, want %d", calls, 100*stormAttempts)
	}
}

func TestBreakerSparesADeadUpstream(t *testing.T) {
	if calls := callsToDeadUsers(t, ""); calls != 50 {
		t.Errorf("%d calls, want the 50 after which the breaker opens", calls)
	}
	if calls := callsToDeadUsers(t, "--bad no-breaker --attempts 1"); calls != 100 {
		t.Errorf("%d calls without a breaker, want every one of 100", calls)
	}
}

func TestBreakerOpensAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const series = `shop_breaker_state{upstream="users"}`
		w := newTown(t)
		share := 1.0
		w.run(quickUsers, answering503(func() float64 { return share }))
		w.run(quickRisk)
		w.run(checkoutAt)
		for range 100 {
			w.buy(10).expect(t, 503, "users-unavailable")
		}
		if state := w.metric("checkout", series); state != "2" {
			t.Fatalf("breaker state %s after 100 failures, want 2 (open)", state)
		}
		share = 0
		w.buy(10).expect(t, 503, "gave up after attempt 1: circuit breaker is open")
		time.Sleep(2*time.Second + time.Millisecond)
		for range breakerTrials {
			w.buy(10).expect(t, 200, "approve")
		}
		if state := w.metric("checkout", series); state != "0" {
			t.Fatalf("breaker state %s after 5 successes, want 0 (closed)", state)
		}
	})
}

// breakerTrials is the number of successes that close a half-open breaker.
const breakerTrials = 5

func TestGatewayGivesUpOnCheckout(t *testing.T) {
	for bad, want := range map[string]int{"": 504, "--bad no-timeout": 200} {
		synctest.Test(t, func(t *testing.T) {
			w := newTown(t)
			w.run(quickUsers, delayed(150*time.Millisecond))
			w.run(quickRisk)
			w.run(checkoutAt)
			w.run(gatewayAt + "--checkout-timeout 100ms " + bad)
			w.ask("POST", "http://gateway/checkout", `{"user_id":"42","amount":1}`).expect(t, want, "")
		})
	}
}

func TestGatewaySaysWhichServiceIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.run(gatewayAt)
		w.ask("GET", "http://gateway/api/v1/users/42", "").expect(t, 502, `"error":"users-unavailable"`)
	})
}
