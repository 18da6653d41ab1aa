package spec

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
)

// Validate judges everything in the spec that can be judged without looking at the machine.
// Every refusal is a *Problem that names the field, its value and how to fix it.
func (s *Spec) Validate() error {
	if s.Version != Protocol {
		return Bad("version", strconv.Itoa(s.Version), "this agent speaks another protocol",
			fmt.Sprintf("use an agent and a control plane of one release (protocol %d)", Protocol))
	}
	if s.ID == "" || len(s.ID) > 100 || strings.ContainsFunc(s.ID, func(r rune) bool { return r < ' ' }) {
		return Bad("id", s.ID, "not a name", "give 1 to 100 printable characters")
	}
	if !(s.DurationS > 0 && s.DurationS <= MaxDurationS) {
		return Bad("duration_s", number(s.DurationS), "not a duration that is allowed",
			fmt.Sprintf("give more than 0 and at most %g seconds", MaxDurationS))
	}
	if s.LeaseS == 0 {
		s.LeaseS = DefaultLeaseS
	}
	if !(s.LeaseS >= 1 && s.LeaseS <= MaxLeaseS) {
		return Bad("lease_s", number(s.LeaseS), "not a lease that is allowed", "give 1 to 60 seconds")
	}
	return s.validateKind()
}

func (s *Spec) validateKind() error {
	switch {
	case s.Kind == KindHTTP && s.HTTP != nil && s.Load == nil:
		return s.HTTP.validate(s.DurationS)
	case s.Kind == KindLoad && s.Load != nil && s.HTTP == nil:
		return s.Load.validate()
	case s.Kind != KindHTTP && s.Kind != KindLoad:
		return Bad("kind", s.Kind, "unknown kind", "use http or load")
	}
	return Bad("kind", s.Kind, "the object of this kind is missing, or another one is there",
		"give exactly one object, named like the kind")
}

func (h *HTTP) validate(durationS float64) error {
	if err := h.validatePlace(); err != nil {
		return err
	}
	if !(h.Percentage > 0 && h.Percentage <= 100) {
		return Bad("http.percentage", number(h.Percentage), "not a percentage of requests",
			"give more than 0 and at most 100")
	}
	if h.MaxConnections == 0 {
		h.MaxConnections = DefaultMaxConnections
	}
	if h.MaxConnections < 1 || h.MaxConnections > 1_000_000 {
		return Bad("http.max_connections", strconv.Itoa(h.MaxConnections), "not a bound that is allowed",
			"give 1 to 1000000, or leave it out for 10000")
	}
	if h.Match != nil {
		if err := h.Match.validate(); err != nil {
			return err
		}
	}
	switch h.Existing {
	case "":
		h.Existing = ExistingTakeover
	case ExistingTakeover, ExistingLeave, ExistingReset:
	default:
		return Bad("http.existing", h.Existing, "not a way to handle open connections",
			"use takeover, leave or reset")
	}
	return h.validateFault(durationS)
}

func (h *HTTP) validateFault(durationS float64) error {
	switch {
	case h.Abort != nil && h.Delay == nil && h.Modify == nil:
		return h.Abort.validate()
	case h.Delay != nil && h.Abort == nil && h.Modify == nil:
		return h.Delay.validate(durationS)
	case h.Modify != nil && h.Abort == nil && h.Delay == nil:
		return h.Modify.validate()
	}
	return Bad("http", "", "says not what happens to a request, or several things",
		"give exactly one of abort, delay and modify")
}

func (h *HTTP) validatePlace() error {
	places := 0
	for _, given := range []bool{h.Port != 0, h.Proxy != nil, h.To != ""} {
		if given {
			places++
		}
	}
	if places != 1 {
		return Bad("http.port", strconv.Itoa(h.Port), "the place is missing, or given twice",
			"give exactly one of port, proxy and to")
	}
	if h.KeepClientAddress && h.Port == 0 {
		return Bad("http.keep_client_address", "true", "only an intercepted port has it", "leave it out here")
	}
	if h.CallerPID != 0 && (h.To == "" || h.CallerPID < 0) {
		return Bad("http.caller_pid", strconv.Itoa(h.CallerPID), "no process that calls a dependency",
			"give a pid together with to, or leave it out")
	}
	switch {
	case h.To != "":
		return validateTo(h.To)
	case h.Proxy != nil:
		return h.Proxy.validate()
	case h.Port < 1 || h.Port > 65535:
		return Bad("http.port", strconv.Itoa(h.Port), "not a port", "give 1 to 65535")
	}
	return nil
}

func validateTo(to string) error {
	host, port, err := net.SplitHostPort(to)
	if err != nil || host == "" || strings.ContainsAny(host, " %/") || !isPort(port) {
		return Bad("http.to", to, "not host:port", "give one like users:8082, 127.0.0.1:8082 or [::1]:8082")
	}
	if address, err := netip.ParseAddr(host); err == nil && (address.IsUnspecified() || address.IsMulticast()) {
		return Bad("http.to", to, "not an address that can be called", "give the one that the caller uses")
	}
	return nil
}

func (p *Proxy) validate() error {
	listen, err := netip.ParseAddrPort(p.Listen)
	if err != nil || !listen.Addr().IsLoopback() {
		return Bad("http.proxy.listen", p.Listen, "not a loopback address with a port",
			"give one like 127.0.0.1:9081: nobody outside may use the agent as a relay")
	}
	if host, port, err := net.SplitHostPort(p.Upstream); err != nil || host == "" || !isPort(port) {
		return Bad("http.proxy.upstream", p.Upstream, "not host:port", "give one like 127.0.0.1:8081")
	}
	return nil
}

func (m *Match) validate() error {
	if m.Method != "" && !isToken(m.Method) {
		return Bad("http.match.method", m.Method, "not an HTTP method", "give one like GET")
	}
	if err := expression("http.match.path", m.Path, m.Path); err != nil {
		return err
	}
	for name, value := range m.Headers {
		if !isToken(name) {
			return Bad("http.match.headers", name, "not a header name", "give one like x-user")
		}
		if err := expression("http.match.headers."+name, value, hidden(value)); err != nil {
			return err
		}
	}
	return nil
}

func expression(field, value, shown string) error {
	if _, err := regexp.Compile(value); err != nil {
		why := "cannot be read"
		var wrong *syntax.Error
		if errors.As(err, &wrong) {
			why = wrong.Code.String() // not the expression, which may be a secret
		}
		return Bad(field, shown, "not a regular expression: "+why,
			"write it in RE2 syntax, as Go does; it must match the whole value")
	}
	return nil
}

func (a *HTTPAbort) validate() error {
	if a.Status < 200 || a.Status > 599 {
		return Bad("http.abort.status", strconv.Itoa(a.Status), "not a final HTTP status", "give 200 to 599")
	}
	if a.Body != "" && (a.Status == http.StatusNoContent || a.Status == http.StatusNotModified) {
		return Bad("http.abort.body", hidden(a.Body), fmt.Sprintf("a %d has no body", a.Status),
			"leave the body out or take another status")
	}
	return answerHeaders("http.abort.headers", a.Headers)
}

func (m *HTTPModify) validate() error {
	if len(m.SetHeaders) == 0 && m.Body == "" && !m.RemoveBody {
		return Bad("http.modify", "", "changes nothing", "give set_headers, and body or remove_body, or one of them")
	}
	if m.Body != "" && m.RemoveBody {
		return Bad("http.modify.remove_body", "true", "there is a body, too", "give one of body and remove_body")
	}
	return answerHeaders("http.modify.set_headers", m.SetHeaders)
}

// hidden is what may be said of a body or of the value of a header, which may be a secret.
func hidden(value string) string { return fmt.Sprintf("(%d bytes)", len(value)) }

func answerHeaders(field string, headers map[string]string) error {
	for name, value := range headers {
		if !isToken(name) || strings.ContainsAny(value, "\r\n\x00") {
			return Bad(field, name, "not a header", "give a name like Retry-After and one line of text")
		}
		if framing[http.CanonicalHeaderKey(name)] {
			return Bad(field, name, "the agent frames the response itself", "leave this header out")
		}
	}
	return nil
}

// framing headers of an answer are the agent's own: a wrong one would break the connection.
var framing = map[string]bool{
	"Content-Length": true, "Transfer-Encoding": true, "Connection": true, "Upgrade": true, "Trailer": true,
}

func (l *Load) validate() error {
	if !(l.RateRPS > 0 && l.RateRPS <= 50000) {
		return Bad("load.rate_rps", number(l.RateRPS), "not a rate that one machine can drive",
			"give more than 0 and at most 50000 requests per second")
	}
	if l.TimeoutMS == 0 {
		l.TimeoutMS = 2000
	}
	if !(l.TimeoutMS > 0 && l.TimeoutMS <= 60000) {
		return Bad("load.timeout_ms", number(l.TimeoutMS), "not a timeout that is allowed",
			"give more than 0 and at most 60000 milliseconds")
	}
	if l.MaxInFlight < 0 || l.MaxInFlight > 4096 {
		return Bad("load.max_in_flight", strconv.Itoa(l.MaxInFlight), "not a bound that is allowed", "give 0 (automatic) to 4096")
	}
	if l.Method == "" {
		l.Method = http.MethodGet
	}
	if !isToken(l.Method) {
		return Bad("load.method", l.Method, "not an HTTP method", "give one like GET")
	}
	if i := l.Impact; i != nil && (i.JSONField == "") != (i.JSONValue == "") {
		return Bad("load.impact.json_field", i.JSONField, "field and value belong together", "give both or none")
	}
	return nil
}

func isPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 1 && n <= 65535
}

// isToken tells whether s is a token of RFC 9110 section 5.6.2, as methods and header names are.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
