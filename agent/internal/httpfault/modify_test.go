package httpfault

import (
	"io"
	"testing"
	"time"
)

func TestModifyChangesAnswersAndComposesByOrder(t *testing.T) {
	b := start(t)
	modify := func(headers map[string]string, body, path string) func(*HTTP) {
		return func(h *HTTP) {
			h.Match, h.Abort = &Match{Path: path}, nil
			h.Modify = &HTTPModify{SetHeaders: headers, Body: body}
		}
	}
	b.arm(t, "all", modify(map[string]string{"X-Fault": "all", "X-All": "1"}, "", "/.*"))
	b.arm(t, "body", modify(map[string]string{"X-Fault": "body"}, "garbled", "/body"))
	b.arm(t, "no", func(h *HTTP) { h.Match = &Match{Path: "/no"} })
	for _, c := range []struct{ path, body, fault, all string }{
		{"/", "from the service", "all", "1"}, {"/body", "garbled", "body", "1"}, {"/no", "injected", "", ""},
	} {
		w, err := b.client.Get("http://" + b.proxy.Listen + c.path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(w.Body)
		w.Body.Close()
		if err != nil || string(body) != c.body || w.Header.Get("X-Fault") != c.fault || w.Header.Get("X-All") != c.all {
			t.Errorf("%s: %q, %v, %v", c.path, body, w.Header, err)
		}
	}
	b.place.Disarm("body")
	if _, body := b.get(t, "/body"); body != "from the service" {
		t.Errorf("%q after the end of the fault", body)
	}
	if all, body := b.totals("all"), b.totals("body"); all.Modified != 3 || body.Modified != 1 || b.served.Load() != 3 {
		t.Errorf("all %+v, body %+v", all, body)
	}
}

// A request that the service handles while the fault ends gets the answer of the service, unchanged.
func TestAnAnswerThatComesAfterTheEndOfAFaultIsNotChanged(t *testing.T) {
	b := start(t)
	b.arm(t, "slow", func(h *HTTP) { h.Abort, h.Delay = nil, delayed(60_000, 0) })
	b.arm(t, "body", func(h *HTTP) { h.Abort, h.Modify = nil, &HTTPModify{Body: "garbled"} })
	answered := make(chan string)
	go func() {
		w, err := b.client.Get("http://" + b.proxy.Listen)
		if err != nil {
			answered <- err.Error()
			return
		}
		body, _ := io.ReadAll(w.Body)
		w.Body.Close()
		answered <- string(body)
	}()
	until(t, "it is held", func() bool { return b.totals("slow").Delayed == 1 && b.totals("body").Matched == 1 })
	b.place.Disarm("body")
	b.place.Disarm("slow")
	select {
	case body := <-answered:
		if body != "from the service" {
			t.Errorf("got %q", body)
		}
	case <-time.After(patience):
		t.Fatal("no answer")
	}
	if got := b.totals("body"); got.Modified != 0 {
		t.Errorf("counted %+v", got)
	}
}
