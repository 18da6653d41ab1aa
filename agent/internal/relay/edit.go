package relay

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Edit changes answers of the service on their way to the client.
type Edit struct {
	fields  map[string]Field // by name in lower case
	body    []byte
	replace bool
	over    <-chan struct{}
	applied func()
}

// NewEdit makes an edit. Each header replaces all fields of its name, or is added. A body, unless it
// is nil, replaces that of the service; the caller must not change it afterwards. Answers that come
// when over is closed are left alone. applied is called for every answer that was changed.
func NewEdit(headers map[string]string, body []byte, over <-chan struct{}, applied func()) *Edit {
	e := &Edit{fields: map[string]Field{}, body: body, replace: body != nil, over: over, applied: applied}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		e.fields[strings.ToLower(name)] = Field{name, headers[name]}
	}
	return e
}

// aboutTheBody are headers that are no longer true when the body is replaced: how it is framed and
// encoded, its digests, and what lets a cache keep it or ask for it again. Otherwise caches would keep
// the replacement after the fault is over.
var aboutTheBody = map[string]bool{
	"content-length": true, "transfer-encoding": true, "trailer": true, "content-encoding": true,
	"content-md5": true, "digest": true, "content-digest": true, "repr-digest": true,
	"etag": true, "last-modified": true, "cache-control": true, "expires": true,
}

// Change is what several edits together make of one answer.
type Change struct {
	// Replace says that Body takes the place of the body that the service sends.
	Replace bool
	Body    []byte

	set     map[string]Field // by name in lower case
	applied []func()
}

// Merge applies edits, in their order, to an answer of that status. Of two edits that set the same
// header or the body the later one wins. changes is false when the answer stays as it is.
func Merge(edits []*Edit, status int) (c Change, changes bool) {
	c.set = map[string]Field{}
	for _, e := range edits {
		if e.isOver() {
			continue
		}
		replaces := e.replace && mayHaveOurBody(status)
		if replaces {
			c.Replace, c.Body = true, e.body
		}
		maps.Copy(c.set, e.fields)
		if replaces || len(e.fields) > 0 {
			c.applied = append(c.applied, e.applied)
		}
	}
	if len(c.applied) == 0 {
		return Change{}, false
	}
	if c.Replace {
		if _, given := c.set["cache-control"]; !given {
			c.set["cache-control"] = Field{"Cache-Control", "no-store"}
		}
		c.set["content-length"] = Field{"Content-Length", strconv.Itoa(len(c.Body))}
	}
	return c, true
}

// Drops reports whether the service's fields of a name, in lower case, are left out.
func (c *Change) Drops(lower string) bool {
	_, replaced := c.set[lower]
	return replaced || c.Replace && aboutTheBody[lower]
}

// Fields returns the fields that are added, sorted by name.
func (c *Change) Fields() []Field {
	var fields []Field
	for _, name := range slices.Sorted(maps.Keys(c.set)) {
		fields = append(fields, c.set[name])
	}
	return fields
}

// Applied counts the change: it calls the function that each edit was made with.
func (c *Change) Applied() {
	for _, applied := range c.applied {
		applied()
	}
}

func (e *Edit) isOver() bool {
	select {
	case <-e.over:
		return true
	default:
		return false
	}
}

// mayHaveOurBody reports whether an answer of that status can have any body. An answer with a part
// of a whole (206) can only have a part of the same whole.
func mayHaveOurBody(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified && status != http.StatusPartialContent
}
