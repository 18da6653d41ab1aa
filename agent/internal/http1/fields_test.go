package http1

import (
	"slices"
	"testing"
)

func TestFields(t *testing.T) {
	f := fields("GET /x:y HTTP/1.1\r\nX-User: \t a b \r\nhost:h\r\nx-USER:\r\nX-User-Id: 7\r\n\r\n")
	for name, want := range map[string][]string{
		"x-user": {"a b", ""}, "HOST": {"h"}, "X-User-ID": {"7"}, "absent": nil, "GET /x": nil, "": nil,
	} {
		if got := f.Values(name); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
