package load

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"chaosgo/agent/internal/rfc9110"
	"chaosgo/agent/internal/spec"
)

// Kind is the name of this kind of work.
const Kind = "load"

// Bounds of a load.
const (
	mostRateRPS      = 50_000.0
	mostTimeoutMS    = 60_000.0
	defaultTimeoutMS = 2_000.0
	// mostAheadS bounds how far in the future a load may begin.
	mostAheadS = 60.0
)

// Load is an open-loop load at a constant rate on one URL.
type Load struct {
	URL         string            `json:"url"`
	Method      string            `json:"method,omitempty" jsonschema:"default=GET"`
	Headers     map[string]string `json:"headers,omitempty"`
	Body        string            `json:"body,omitempty"`
	RateRPS     float64           `json:"rate_rps" jsonschema:"exclusiveMinimum=0,maximum=50000"`
	TimeoutMS   float64           `json:"timeout_ms,omitempty" jsonschema:"exclusiveMinimum=0,maximum=60000,default=2000"`
	MaxInFlight int               `json:"max_in_flight,omitempty" jsonschema:"minimum=0,maximum=4096"`
	Impact      *Impact           `json:"impact,omitempty"`
	// StartUnixS is when the first second begins, by the clock of this machine; 0 for at once. Several agents
	// that start together share one load.
	StartUnixS float64 `json:"start_unix_s,omitempty" jsonschema:"minimum=0"`
	// FirstAfterMS is how long after the start the first request is due. It is shorter than the time between
	// two requests, so that the requests of several agents can be due in turn.
	FirstAfterMS float64 `json:"first_after_ms,omitempty" jsonschema:"minimum=0"`
}

// Impact says which requests hurt the business: any one of these that holds.
type Impact struct {
	Statuses  []int  `json:"statuses,omitempty"`
	JSONField string `json:"json_field,omitempty"`
	JSONValue string `json:"json_value,omitempty"`
	Timeout   bool   `json:"timeout,omitempty"`
}

// framing are headers of a request that the HTTP client of Go sets itself. It ignores those of a load.
var framing = []string{"Content-Length", "Transfer-Encoding", "Trailer"}

// Validate judges the load and fills in defaults. It does not look up the host of the URL.
func (l *Load) Validate(s *spec.Spec) error {
	if l.TimeoutMS == 0 {
		l.TimeoutMS = defaultTimeoutMS
	}
	if l.Method == "" {
		l.Method = http.MethodGet
	}
	return errors.Join(
		s.RefuseWay(),
		validateURL("load.url", l.URL),
		spec.Positive("load.rate_rps", l.RateRPS, mostRateRPS, "not a rate that one machine can drive", "requests per second"),
		spec.Positive("load.timeout_ms", l.TimeoutMS, mostTimeoutMS, "not a timeout that is allowed", "milliseconds"),
		spec.Within("load.max_in_flight", l.MaxInFlight, 0, mostInFlight, "not a bound that is allowed; 0 is automatic"),
		rfc9110.Method("load.method", l.Method),
		rfc9110.Headers("load.headers", l.Headers),
		rfc9110.NoneOf("load.headers", l.Headers, framing),
		l.Impact.validate(),
		l.validateStart(),
	)
}

func (l *Load) validateStart() error {
	if !(l.StartUnixS >= 0) {
		return spec.Bad("load.start_unix_s", spec.Number(l.StartUnixS), "not a time", "give seconds since 1970, or leave it out")
	}
	if !(l.FirstAfterMS >= 0 && l.FirstAfterMS*l.RateRPS < 1000) {
		return spec.Bad("load.first_after_ms", spec.Number(l.FirstAfterMS), "not within the time between two requests",
			"give 0 to less than 1000 / rate_rps milliseconds")
	}
	return nil
}

// origin is when the first second begins.
func (l *Load) origin(now time.Time) (time.Time, error) {
	if l.StartUnixS == 0 {
		return now, nil
	}
	aheadS := l.StartUnixS - unixS(now)
	if aheadS < 0 || aheadS > mostAheadS {
		return now, spec.CannotRun(fmt.Sprintf("the load should begin %.2f s from now by the clock here", aheadS),
			fmt.Sprintf("let it begin in 0 to %g s; see whether the clocks agree and the machine is not overloaded", mostAheadS))
	}
	return now.Add(time.Duration(aheadS * float64(time.Second))), nil // with the monotonic clock of now
}

func (i *Impact) validate() error {
	if i == nil { // no request is judged
		return nil
	}
	if i.Statuses != nil && len(i.Statuses) == 0 {
		return spec.Bad("load.impact.statuses", "[]", "the list is empty", "give at least one, or leave it out")
	}
	for _, status := range i.Statuses {
		if err := spec.Within("load.impact.statuses", status, 100, 599, "not an HTTP status"); err != nil {
			return err
		}
	}
	if (i.JSONField == "") != (i.JSONValue == "") {
		return spec.Bad("load.impact.json_field", i.JSONField, "json_field and json_value belong together", "give both or none")
	}
	if len(i.Statuses) == 0 && i.JSONField == "" && !i.Timeout {
		return spec.Bad("load.impact", "{}", "no request could hurt the business",
			"give statuses, json_field with json_value, or timeout, or leave impact out")
	}
	return nil
}

// validateURL judges a URL without looking up its host.
func validateURL(field, text string) error {
	u, err := url.Parse(text)
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" &&
		!strings.ContainsFunc(text, unicode.IsSpace) && isPort(u.Port()) {
		return nil
	}
	shown := text
	if strings.Contains(text, "@") { // it may hold a password
		shown = spec.Hidden(text)
	}
	return spec.Bad(field, shown, "not a URL of a service", "give one like http://127.0.0.1:8080/path")
}

// isPort tells the port of a URL; "" is that of its scheme.
func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return text == "" || err == nil && n > 0
}
