package http1

import (
	"slices"
	"testing"
)

func TestPath(t *testing.T) {
	for target, want := range map[string]string{
		"/":                          "/",
		"/a/b%20c?d=/e":              "/a/b%20c",
		"*":                          "*",
		"http://host:80/a?b":         "/a",
		"http://host":                "/",
		"http://host?a":              "/",
		"/go?to=http://elsewhere/a":  "/go",
		"/proxy/http://elsewhere/a?": "/proxy/http://elsewhere/a",
	} {
		r := Request{Target: []byte(target)}
		if got := r.Path(); got != want {
			t.Errorf("%s: got %s, want %s", target, got, want)
		}
	}
}

func TestHeader(t *testing.T) {
	r := Request{Head: []byte("GET /x:y HTTP/1.1\r\nX-User: \t a b \r\nhost:h\r\nx-USER:\r\nX-User-Id: 7\r\n\r\n")}
	for name, want := range map[string][]string{
		"x-user": {"a b", ""}, "HOST": {"h"}, "X-User-ID": {"7"}, "absent": nil, "GET /x": nil, "": nil,
	} {
		if got := r.Header(name); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
