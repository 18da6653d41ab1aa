package http1

import (
	"bytes"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Edit changes answers of the service on their way to the client. Several edits of one answer apply
// in their order: of two that set the same header or the body the later one has its way.
type Edit struct {
	headers []field
	body    []byte
	replace bool
	over    <-chan struct{}
	applied func()
}

// field is a header line that an edit sets.
type field struct{ name, lower, value string }

// NewEdit makes an edit. Each header replaces all lines of its name, or is added. A body, unless it
// is nil, replaces that of the service; it must not be changed any more. Answers that come when over
// is closed are left alone. Every answer that was changed is told to applied.
func NewEdit(headers map[string]string, body []byte, over <-chan struct{}, applied func()) *Edit {
	e := &Edit{body: body, replace: body != nil, over: over, applied: applied}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		e.headers = append(e.headers, field{name, strings.ToLower(name), headers[name]})
	}
	return e
}

// aboutTheBody are headers that are no longer true of a replaced body: how it is framed and encoded,
// its digests, and what lets a cache keep it or ask for it again. The replacement would otherwise
// stay in caches when the fault is long over.
var aboutTheBody = map[string]bool{
	"content-length": true, "transfer-encoding": true, "trailer": true, "content-encoding": true,
	"content-md5": true, "digest": true, "content-digest": true, "repr-digest": true,
	"etag": true, "last-modified": true, "cache-control": true, "expires": true,
}

// rewriting is what edits make of one answer.
type rewriting struct {
	head    []byte // nil: nothing changes
	body    []byte
	replace bool // the body that the service sends is dropped for ours
	applied []func()
}

// rewrite applies edits to an answer with the given raw head.
func rewrite(edits []*Edit, raw []byte, h *head, headless bool) (r rewriting) {
	set := map[string]field{}
	for _, e := range edits {
		if e.isOver() {
			continue
		}
		replaces := e.replace && mayHaveOurBody(h.status)
		if replaces {
			r.replace, r.body = true, e.body
		}
		for _, f := range e.headers {
			set[f.lower] = f
		}
		if replaces || len(e.headers) > 0 {
			r.applied = append(r.applied, e.applied)
		}
	}
	if len(r.applied) == 0 {
		return rewriting{}
	}
	if r.replace {
		if _, given := set["cache-control"]; !given {
			set["cache-control"] = field{"Cache-Control", "cache-control", "no-store"}
		}
		set["content-length"] = field{"Content-Length", "content-length", strconv.Itoa(len(r.body))}
	}
	r.head = rewriteHead(raw, set, r.replace)
	if headless {
		r.replace = false // the head is that of a GET, and no body follows
	}
	return r
}

func (e *Edit) isOver() bool {
	select {
	case <-e.over:
		return true
	default:
		return false
	}
}

// mayHaveOurBody tells whether an answer of that status can have any body: a part of a whole (206)
// can only have a part of the same whole.
func mayHaveOurBody(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified && status != http.StatusPartialContent
}

// rewriteHead gives a head with other header lines; those that stay keep their bytes and order.
func rewriteHead(raw []byte, set map[string]field, newBody bool) []byte {
	status := bytes.IndexByte(raw, '\n') + 1
	changed := append(make([]byte, 0, len(raw)+256), raw[:status]...)
	for lines := raw[status:]; ; {
		line, rest, _ := cutLine(lines)
		if len(line) == 0 {
			break
		}
		name, _, _ := cutField(line)
		lower := strings.ToLower(string(name))
		if _, replaced := set[lower]; !replaced && !(newBody && aboutTheBody[lower]) {
			changed = append(changed, lines[:len(lines)-len(rest)]...)
		}
		lines = rest
	}
	for _, key := range slices.Sorted(maps.Keys(set)) {
		changed = append(changed, set[key].name+": "+set[key].value+"\r\n"...)
	}
	return append(changed, "\r\n"...)
}
