package http1

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"chaosgo/agent/internal/relay"
)

// responseBytes returns an answer of our own as it is written now, with the reason phrase of net/http
// and a Date: without its body to HEAD (headless), and with `Connection: close` if it is the last one
// of its connection.
func responseBytes(r *relay.Response, headless, last bool) []byte {
	size := len(r.Body) + 160
	for _, f := range r.Fields {
		size += len(f.Name) + len(f.Value) + 4
	}
	b := append(make([]byte, 0, size), "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(r.Status), 10)
	b = append(append(append(b, ' '), http.StatusText(r.Status)...), "\r\n"...)
	for _, f := range r.Fields {
		b = append(append(append(append(b, f.Name...), ": "...), f.Value...), "\r\n"...)
	}
	if r.MayHaveBody() {
		b = strconv.AppendInt(append(b, "Content-Length: "...), int64(len(r.Body)), 10)
		b = append(b, "\r\n"...)
	}
	if !r.Dated {
		b = append(b, dateLine(time.Now())...)
	}
	if last {
		b = append(b, connectionClose...)
	}
	b = append(b, "\r\n"...)
	if !headless {
		b = append(b, r.Body...)
	}
	return b
}

// lastDate is the header line of the last second in which a date was needed, so that the line is
// formatted once a second and not once an answer.
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
