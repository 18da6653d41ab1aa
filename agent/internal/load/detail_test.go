package load

import (
	"errors"
	"strings"
	"testing"

	"chaosgo/agent/internal/spec"
)

func validate(change func(*Load)) (*Load, error) {
	l := &Load{URL: "http://127.0.0.1:8080/", RateRPS: 1}
	change(l)
	s := spec.Spec{Version: spec.Protocol, ID: "x", Kind: Kind, DurationS: 1, Detail: l}
	return l, s.Validate()
}

func TestDefaultsAreFilledIn(t *testing.T) {
	l, err := validate(func(*Load) {})
	if err != nil || l.Method != "GET" || l.TimeoutMS != 2000 {
		t.Errorf("got %+v, %v", l, err)
	}
}

func TestURLsThatAreAccepted(t *testing.T) {
	for _, url := range []string{
		"http://users", "HTTPS://users:8443/a%20b?c=d", "http://[::1]:8080/", "http://u:p@users/", "http://users:/",
	} {
		if _, err := validate(func(l *Load) { l.URL = url }); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestURLsThatAreRefused(t *testing.T) {
	for url, shown := range map[string]string{
		"": "", "users:8080/": "users:8080/", "ftp://users/": "ftp://users/", "http://": "http://", "http://:80/": "http://:80/",
		"http://users:0/": "http://users:0/", "http://users:65536/": "http://users:65536/", "http://users:x/": "http://users:x/",
		"http://users/a b": "http://users/a b", "http://users/\u00a0": "http://users/\u00a0", "http://users/\n": "http://users/\n",
		"http://u:secret@users:0/": "(24 bytes)",
	} {
		_, err := validate(func(l *Load) { l.URL = url })
		refused(t, url, err, "load.url", shown, "http://127.0.0.1:8080/path")
	}
}

func TestLoadsThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		change            func(*Load)
		field, value, fix string
	}{
		{func(l *Load) { l.RateRPS = 50_001 }, "load.rate_rps", "50001", "at most 50000 requests per second"},
		{func(l *Load) { l.TimeoutMS = -1 }, "load.timeout_ms", "-1", "at most 60000 milliseconds"},
		{func(l *Load) { l.MaxInFlight = -1 }, "load.max_in_flight", "-1", "give 0 to 4096"},
		{func(l *Load) { l.Headers = map[string]string{"content type": "a"} }, "load.headers", "content type", "x-user"},
		{func(l *Load) { l.Headers = map[string]string{"transfer-encoding": "a"} }, "load.headers", "transfer-encoding", "leave this header out"},
		{func(l *Load) { l.Impact = &Impact{Statuses: []int{}} }, "load.impact.statuses", "[]", "at least one"},
		{func(l *Load) { l.Impact = &Impact{Statuses: []int{200, 600}} }, "load.impact.statuses", "600", "100 to 599"},
		{func(l *Load) { l.Impact = &Impact{JSONValue: "reject"} }, "load.impact.json_field", "", "give both or none"},
		{func(l *Load) { l.Impact = &Impact{} }, "load.impact", "{}", "leave impact out"},
	} {
		_, err := validate(c.change)
		refused(t, c.field, err, c.field, c.value, c.fix)
	}
}

func refused(t *testing.T, what string, err error, field, value, fix string) {
	t.Helper()
	var p *spec.Problem
	if !errors.As(err, &p) || p.Field != field || p.Value != value || !strings.Contains(p.Fix, fix) {
		t.Errorf("%s: got %v, want %s=%s: ...; %s", what, err, field, value, fix)
	}
}
