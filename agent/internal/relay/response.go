package relay

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Field is one header field.
type Field struct{ Name, Value string }

// Response is a complete answer of our own. A relay writes it any number of times, in its protocol;
// it adds what says where the body ends, and Date unless Dated.
type Response struct {
	Status int
	Fields []Field
	Body   string
	// Dated says that a Date is among the fields.
	Dated bool
}

// NewResponse builds an answer. Headers that say where the body ends are left out, because a second
// word on that would break the connection. A body without a Content-Type gets text/plain. A body of
// 204 or 304 is left out, because these have none (RFC 9110 section 6.4.1).
func NewResponse(status int, headers map[string]string, body string) *Response {
	r := &Response{Status: status, Body: body}
	if !r.MayHaveBody() {
		r.Body = ""
	}
	typed := false
	for _, name := range slices.Sorted(maps.Keys(headers)) { // sorted: the same bytes every time
		switch strings.ToLower(name) {
		case "content-length", "transfer-encoding":
			continue
		case "content-type":
			typed = true
		case "date":
			r.Dated = true
		}
		r.Fields = append(r.Fields, Field{name, headers[name]})
	}
	if r.Body != "" && !typed {
		r.Fields = append(r.Fields, Field{"Content-Type", "text/plain; charset=utf-8"})
	}
	return r
}

// MayHaveBody reports whether an answer of this status can have a body, so that its length is told.
func (r *Response) MayHaveBody() bool {
	return r.Status != http.StatusNoContent && r.Status != http.StatusNotModified
}
