package httpfault

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"regexp/syntax"
	"slices"

	"chaosgo/agent/internal/rfc9110"
	"chaosgo/agent/internal/spec"
)

const (
	defaultMaxConnections = 10_000
	mostConnections       = 1_000_000
)

// framing are headers of an answer that the agent sets itself. A wrong one would break the connection.
var framing = []string{"Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Trailer"}

// Validate judges the fault and fills in defaults.
func (h *HTTP) Validate(s *spec.Spec) error {
	if h.MaxConnections == 0 {
		h.MaxConnections = defaultMaxConnections
	}
	return errors.Join(
		s.RequireWay(),
		h.validateClientAddress(s.Way),
		spec.Positive("http.percentage", h.Percentage, 100, "not a percentage of requests", "percent"),
		spec.Within("http.max_connections", h.MaxConnections, 1, mostConnections, "not a bound that is allowed"),
		h.validateExisting(),
		h.Match.validate(),
		h.validateFault(s.DurationS),
	)
}

func (h *HTTP) validateClientAddress(way *spec.Way) error {
	if h.KeepClientAddress && way != nil && way.Port == 0 {
		return spec.Bad("http.keep_client_address", "true", "only the port of a service can have it", "leave it out, or intercept the port of the service")
	}
	return nil
}

func (h *HTTP) validateExisting() error {
	switch h.Existing {
	case "":
		h.Existing = ExistingTakeover
	case ExistingTakeover, ExistingLeave, ExistingReset:
	default:
		return spec.Bad("http.existing", h.Existing, "not a way to handle open connections", "use takeover, leave or reset")
	}
	return nil
}

func (h *HTTP) validateFault(durationS float64) error {
	switch {
	case h.Abort != nil && h.Delay == nil && h.Modify == nil:
		return h.Abort.validate()
	case h.Delay != nil && h.Abort == nil && h.Modify == nil:
		return h.Delay.Validate("http.delay", durationS)
	case h.Modify != nil && h.Abort == nil && h.Delay == nil:
		return h.Modify.validate()
	}
	return spec.Bad("http", "", "what happens to a request is not given, or given several times",
		"give exactly one of abort, delay and modify")
}

func (m *Match) validate() error {
	if m == nil { // every request matches
		return nil
	}
	const field = "http.match.headers"
	problems := []error{expression("http.match.path", m.Path, m.Path), rfc9110.Headers(field, m.Headers)}
	if m.Method != "" {
		problems = append(problems, rfc9110.Method("http.match.method", m.Method))
	}
	for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
		problems = append(problems, expression(field+"."+name, m.Headers[name], spec.Hidden(m.Headers[name])))
	}
	return errors.Join(problems...)
}

// expression refuses what whole cannot compile. The message does not repeat the expression, which may be
// a secret; shown is what may be told of it.
func expression(field, value, shown string) error {
	if _, err := whole(value); err != nil {
		why := "cannot be read"
		var wrong *syntax.Error
		if errors.As(err, &wrong) {
			why = wrong.Code.String()
		}
		return spec.Bad(field, shown, "not a regular expression: "+why,
			"write it in RE2 syntax, as Go does; it must match the whole value")
	}
	return nil
}

// whole compiles an expression so that it matches whole values only.
func whole(expression string) (*regexp.Regexp, error) {
	return regexp.Compile(`^(?:` + expression + `)$`)
}

func (a *HTTPAbort) validate() error {
	return errors.Join(
		spec.Within("http.abort.status", a.Status, 200, 599, "not a final HTTP status"),
		a.validateBody(),
		answerHeaders("http.abort.headers", a.Headers),
	)
}

func (a *HTTPAbort) validateBody() error {
	if a.Body != "" && (a.Status == http.StatusNoContent || a.Status == http.StatusNotModified) {
		return spec.Bad("http.abort.body", spec.Hidden(a.Body), fmt.Sprintf("a %d has no body", a.Status),
			"leave the body out or take another status")
	}
	return nil
}

func (m *HTTPModify) validate() error {
	if len(m.SetHeaders) == 0 && m.Body == "" && !m.RemoveBody {
		return spec.Bad("http.modify", "", "changes nothing", "give headers to set, a body, or remove_body")
	}
	if m.Body != "" && m.RemoveBody {
		return spec.Bad("http.modify.remove_body", "true", "a body is given as well", "give one of body and remove_body")
	}
	return answerHeaders("http.modify.set_headers", m.SetHeaders)
}

func answerHeaders(field string, headers map[string]string) error {
	if err := rfc9110.Headers(field, headers); err != nil {
		return err
	}
	return rfc9110.NoneOf(field, headers, framing)
}
