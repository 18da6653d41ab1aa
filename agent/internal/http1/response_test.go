package http1

import (
	"bufio"
	"bytes"
	"net/http"
	"testing"
	"time"

	"chaosgo/agent/internal/relay"
)

func TestResponse(t *testing.T) {
	type check struct{ name, want string }
	for _, c := range []struct {
		name           string
		response       *relay.Response
		headless, last bool
		status, body   string
		headers        []check
	}{
		{"plain", relay.NewResponse(503, nil, "down"), false, false, "503 Service Unavailable", "down",
			[]check{{"Content-Length", "4"}, {"Content-Type", "text/plain; charset=utf-8"}, {"Connection", ""}}},
		{"to HEAD", relay.NewResponse(503, nil, "down"), true, false, "503 Service Unavailable", "",
			[]check{{"Content-Length", "4"}}},
		{"last", relay.NewResponse(500, nil, ""), false, true, "500 Internal Server Error", "",
			[]check{{"Content-Length", "0"}, {"Content-Type", ""}, {"Connection", "close"}}},
		{"typed", relay.NewResponse(429, map[string]string{"content-type": "application/json", "X-A": "1"}, "{}"), false, false,
			"429 Too Many Requests", "{}", []check{{"Content-Type", "application/json"}, {"X-A", "1"}}},
		{"wrongly framed", relay.NewResponse(500, map[string]string{"content-length": "9", "Transfer-Encoding": "chunked"}, "x"),
			false, false, "500 Internal Server Error", "x", []check{{"Content-Length", "1"}, {"Transfer-Encoding", ""}}},
		{"dated", relay.NewResponse(500, map[string]string{"Date": "then"}, ""), false, false,
			"500 Internal Server Error", "", []check{{"Date", "then"}}},
		{"204 with a body", relay.NewResponse(204, nil, "gone"), false, false, "204 No Content", "", []check{{"Content-Length", ""}}},
		{"no phrase", relay.NewResponse(599, nil, ""), false, false, "599 ", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := responseBytes(c.response, c.headless, c.last)
			from := bufio.NewReader(bytes.NewReader(append(raw, "behind"...)))
			method := "GET"
			if c.headless {
				method = "HEAD"
			}
			w, body := readAnswer(t, from, method)
			if w.Status != c.status || body != c.body || w.Close != c.last {
				t.Errorf("got %s %q, close %v", w.Status, body, w.Close)
			}
			w.Header["Connection"] = connectionOf(w)
			for _, h := range c.headers {
				if got := w.Header.Get(h.name); got != h.want {
					t.Errorf("%s is %q, want %q", h.name, got, h.want)
				}
			}
			if len(w.Header["Date"]) != 1 {
				t.Errorf("Date: %q", w.Header["Date"])
			}
			if rest, _ := from.Peek(len("behind")); string(rest) != "behind" {
				t.Errorf("the answer ends before or behind its end: %q", rest)
			}
		})
	}
}

// connectionOf restores the header that ReadResponse turns into a field.
func connectionOf(w *http.Response) []string {
	if w.Close {
		return []string{"close"}
	}
	return nil
}

func TestDateChangesWithTheSecond(t *testing.T) {
	second := time.Date(2026, 11, 26, 14, 0, 0, 0, time.UTC)
	for after, want := range map[time.Duration]string{
		0:                      "Date: Thu, 26 Nov 2026 14:00:00 GMT\r\n",
		999 * time.Millisecond: "Date: Thu, 26 Nov 2026 14:00:00 GMT\r\n",
		time.Second:            "Date: Thu, 26 Nov 2026 14:00:01 GMT\r\n",
	} {
		if got := string(dateLine(second.Add(after))); got != want {
			t.Errorf("%v later: %q, want %q", after, got, want)
		}
	}
}
