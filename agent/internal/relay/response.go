package relay

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Field is one header field.
type Field struct{ Name, Value string }

// Response is a complete answer of our own, which may be sent any number of times. A relay writes it
// in its protocol. It adds what says where the body ends, and a Date unless Dated.
type Response struct {
	Status int
	Fields []Field
	Body   string
	// Dated says that a Date is among the fields.
	Dated bool
}

// NewResponse builds an answer. It leaves out headers that say where the body ends, because the relay
// writes these. It adds a Content-Type (text/plain) to a body without one. It leaves out the body of a
// 204 or 304, which cannot have one (RFC 9110 section 6.4.1).
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

// MayHaveBody reports whether an answer of this status can have a body. Only then it has a
// Content-Length.
func (r *Response) MayHaveBody() bool {
	return r.Status != http.StatusNoContent && r.Status != http.StatusNotModified
}
