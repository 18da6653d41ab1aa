package http1

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Response is a complete answer, built once and written any number of times.
type Response struct {
	head  string // without Date, if that is ours, and without the empty line
	body  string
	dated bool // the headers brought a Date
}

// NewResponse builds an answer with the reason phrase of net/http. Content-Length is always ours,
// Date unless it is given, and so is Content-Type (text/plain) for a body without one. A body of
// 204 or 304 is left out, because these have none (RFC 9110 section 6.4.1).
func NewResponse(status int, headers map[string]string, body string) *Response {
	r := &Response{body: body}
	var head strings.Builder
	fmt.Fprintf(&head, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	typed := false
	for _, name := range slices.Sorted(maps.Keys(headers)) { // sorted: the same bytes every time
		switch strings.ToLower(name) {
		case "content-length", "transfer-encoding":
			continue // a second word on where the body ends would break the connection
		case "content-type":
			typed = true
		case "date":
			r.dated = true
		}
		fmt.Fprintf(&head, "%s: %s\r\n", name, headers[name])
	}
	if status == http.StatusNoContent || status == http.StatusNotModified {
		r.body = ""
	} else {
		if body != "" && !typed {
			head.WriteString("Content-Type: text/plain; charset=utf-8\r\n")
		}
		fmt.Fprintf(&head, "Content-Length: %d\r\n", len(body))
	}
	r.head = head.String()
	return r
}

// bytes gives the answer as it is written now: without its body to HEAD, and announcing the end of
// the connection if it is the last one there.
func (r *Response) bytes(headless, last bool) []byte {
	b := make([]byte, 0, len(r.head)+len(r.body)+80)
	b = append(b, r.head...)
	if !r.dated {
		b = append(b, dateLine(time.Now())...)
	}
	if last {
		b = append(b, connectionClose...)
	}
	b = append(b, "\r\n"...)
	if !headless {
		b = append(b, r.body...)
	}
	return b
}

// lastDate is the header line of the second in which it was last asked for, so that it is formatted
// once a second and not once an answer.
var lastDate atomic.Pointer[date]

type date struct {
	unix int64
	line []byte
}

func dateLine(now time.Time) []byte {
	last := lastDate.Load()
	if last == nil || last.unix != now.Unix() {
		line := now.UTC().AppendFormat([]byte("Date: "), http.TimeFormat)
		last = &date{now.Unix(), append(line, "\r\n"...)}
		lastDate.Store(last)
	}
	return last.line
}
