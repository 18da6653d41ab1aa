package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxJudged is how much of a body is read to judge its impact.
const maxJudged = 1 << 20

// result is what became of one request.
type result struct {
	status      int // 0 without an answer
	timeout     bool
	cause       string // why it failed, "" if it did not
	dropped     bool
	late        bool
	judged      bool // whether its impact could be judged
	impact      bool
	latency     time.Duration
	serviceTime time.Duration
}

// send makes one request and reads its whole answer.
func (g *Generator) send() result {
	ctx, cancel := context.WithTimeout(context.Background(), g.timeout)
	defer cancel()
	var r result
	body, err := g.exchange(ctx, &r)
	if err != nil {
		r.status = 0
		r.timeout = isTimeout(err)
	}
	r.cause = causeOf(r.status, err)
	r.judged = g.load.Impact != nil && (r.status != 0 || r.timeout)
	r.impact = r.judged && hurts(g.load.Impact, &r, body)
	return r
}

func (g *Generator) exchange(ctx context.Context, r *result) (body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, g.load.Method, g.load.URL, strings.NewReader(g.load.Body))
	if err != nil {
		return nil, err
	}
	for name, value := range g.load.Headers {
		request.Header.Set(name, value)
		if strings.EqualFold(name, "Host") {
			request.Host = value
		}
	}
	answer, err := g.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read to the end, or the request failed
	r.status = answer.StatusCode
	if g.load.Impact != nil && g.load.Impact.JSONField != "" {
		if body, err = io.ReadAll(io.LimitReader(answer.Body, maxJudged)); err != nil {
			return nil, err
		}
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return body, err
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// hurts tells whether an answered or timed out request hurt the business.
func hurts(rule *Impact, r *result, body []byte) bool {
	if r.timeout {
		return rule.Timeout
	}
	return slices.Contains(rule.Statuses, r.status) ||
		rule.JSONField != "" && field(body, rule.JSONField) == rule.JSONValue
}

// field gives a value of a JSON document by its dotted path: text as it is, anything else as JSON
// writes it, and nothing when it is not there.
func field(document []byte, path string) string {
	for _, name := range strings.Split(path, ".") {
		var object map[string]json.RawMessage
		if json.Unmarshal(document, &object) != nil {
			return ""
		}
		document = object[name]
	}
	var text *string // nil when the value is null, which is no text
	if json.Unmarshal(document, &text) == nil && text != nil {
		return *text
	}
	return string(bytes.TrimSpace(document))
}
