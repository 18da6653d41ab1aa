package relay

import (
	"fmt"
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

func TestEveryPassReasonHasANameOfItsOwn(t *testing.T) {
	var counts ByReason
	for r := range passReasons {
		counts[r].Add(1)
	}
	byName, sum := counts.Load()
	if len(byName) != int(passReasons) || sum != uint64(passReasons) || byName[""] > 0 {
		t.Errorf("%d reasons, counted %v", passReasons, byName)
	}
}

func TestTheLaterOfTwoEditsWins(t *testing.T) {
	var told []int
	edit := func(n int, headers map[string]string, body []byte) *Edit {
		return NewEdit(headers, body, nil, func() { told = append(told, n) })
	}
	edits := []*Edit{
		edit(1, map[string]string{"A": "1", "B": "1"}, []byte("first")),
		edit(2, map[string]string{"a": "2"}, []byte("second")),
		edit(3, nil, nil), // changes nothing, so it is not told
	}
	c, changes := Merge(edits, 200)
	c.Applied()
	want := []Field{{"a", "2"}, {"B", "1"}, {"Cache-Control", "no-store"}, {"Content-Length", "6"}}
	if !changes || !c.Replace || string(c.Body) != "second" || !slices.Equal(c.Fields(), want) || fmt.Sprint(told) != "[1 2]" {
		t.Errorf("%v, body %q, fields %v, told %v", changes, c.Body, c.Fields(), told)
	}
	for name, dropped := range map[string]bool{"a": true, "etag": true, "content-length": true, "x": false} {
		if c.Drops(name) != dropped {
			t.Errorf("%s is dropped: %v", name, !dropped)
		}
	}
}

func TestAnswersThatStayAsTheyAre(t *testing.T) {
	over := make(chan struct{})
	close(over)
	never := func() { t.Error("told that an answer was changed") }
	for name, c := range map[string]struct {
		edit   *Edit
		status int
	}{
		"the fault is over":             {NewEdit(map[string]string{"A": "1"}, []byte("x"), over, never), 200},
		"the answer can have no body":   {NewEdit(nil, []byte("x"), nil, never), 204},
		"a part of a whole, for a body": {NewEdit(nil, []byte("x"), nil, never), 206},
	} {
		change, changes := Merge([]*Edit{c.edit}, c.status)
		if changes || change.Replace || len(change.Fields()) > 0 {
			t.Errorf("%s: %+v", name, change)
		}
		change.Applied()
	}
}
