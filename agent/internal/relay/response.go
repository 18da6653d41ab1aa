package relay

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Response is a complete answer in place of the service's, built once and written many times.
type Response struct {
	head string // without Date, Connection and the empty line
	body string
}

// NewResponse makes an answer. Content-Length is always ours; Content-Type is text/plain for a
// body that is given none.
func NewResponse(status int, headers map[string]string, body string) *Response {
	var head strings.Builder
	fmt.Fprintf(&head, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	names := make([]string, 0, len(headers))
	typed := false
	for name := range headers {
		names = append(names, name)
		typed = typed || strings.EqualFold(name, "Content-Type")
	}
	slices.Sort(names) // the same bytes every time
	for _, name := range names {
		fmt.Fprintf(&head, "%s: %s\r\n", name, headers[name])
	}
	if body != "" && !typed {
		head.WriteString("Content-Type: text/plain; charset=utf-8\r\n")
	}
	if status != http.StatusNoContent && status != http.StatusNotModified {
		fmt.Fprintf(&head, "Content-Length: %d\r\n", len(body))
	}
	return &Response{head: head.String(), body: body}
}

// bytes gives the answer: without body for HEAD, and announcing the end of the connection if it
// is the last one.
func (r *Response) bytes(headless, last bool) []byte {
	var b strings.Builder
	b.WriteString(r.head)
	b.WriteString("Date: " + time.Now().UTC().Format(http.TimeFormat) + "\r\n")
	if last {
		b.WriteString("Connection: close\r\n")
	}
	b.WriteString("\r\n")
	if !headless {
		b.WriteString(r.body)
	}
	return []byte(b.String())
}
