package rfc9110

import (
	"errors"
	"strings"
	"testing"

	"chaosgo/agent/internal/spec"
)

func TestMethods(t *testing.T) {
	for method, fix := range map[string]string{
		"GET": "", "M-SEARCH": "", "PURGE": "", "purge": "", "PATCH": "",
		"get": "give GET", "Post": "give POST", "": "like GET", "GET /": "like GET", "GÉT": "like GET",
	} {
		refused(t, Method("load.method", method), "load.method", method, fix)
	}
}

func TestHeaders(t *testing.T) {
	for _, c := range []struct{ name, value, field, shown, fix string }{
		{"x-user", "a b\tc é", "", "", ""},
		{"!#$%&'*+-.^_`|~", "", "", "", ""},
		{"x user", "a", "h", "x user", "like x-user"},
		{"x-user:", "a", "h", "x-user:", "like x-user"},
		{"", "a", "h", "", "like x-user"},
		{"x-user", "secret\r\nx: y", "h.x-user", "(12 bytes)", "line breaks"},
		{"x-user", "secret\x00", "h.x-user", "(7 bytes)", "control characters"},
		{"x-user", "secret\x7f", "h.x-user", "(7 bytes)", "control characters"},
	} {
		refused(t, Headers("h", map[string]string{c.name: c.value}), c.field, c.shown, c.fix)
	}
}

func TestHeadersOfTheSender(t *testing.T) {
	ours := []string{"Content-Length"}
	refused(t, NoneOf("h", map[string]string{"content-length": "3"}, ours), "h", "content-length", "leave this header out")
	refused(t, NoneOf("h", map[string]string{"content-type": "x"}, ours), "", "", "")
}

// refused checks a refusal; without a fix there must be none.
func refused(t *testing.T, err error, field, value, fix string) {
	t.Helper()
	var p *spec.Problem
	switch {
	case fix == "":
		if err != nil {
			t.Errorf("refused: %v", err)
		}
	case !errors.As(err, &p) || p.Field != field || p.Value != value || !strings.Contains(p.Fix, fix):
		t.Errorf("got %v, want %s=%s: ...; %s", err, field, value, fix)
	}
}
