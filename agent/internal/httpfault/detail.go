package httpfault

import (
	"chaosgo/agent/internal/distribution"
	"chaosgo/agent/internal/spec"
)

// Kind is the name of this kind of fault.
const Kind = "http"

// HTTP is one fault on the requests of a way: exactly one of Abort, Delay and Modify.
type HTTP struct {
	Match             *Match `json:"match,omitempty"`
	KeepClientAddress bool   `json:"keep_client_address,omitempty" jsonschema:"description=with port: the service sees the address of its client and not the agent's"`
	// MaxConnections bounds how many connections of the place are read at a time. More are relayed unread
	// and counted as over_limit. All faults of a place agree.
	MaxConnections int         `json:"max_connections,omitempty" jsonschema:"minimum=1,maximum=1000000,default=10000"`
	Percentage     float64     `json:"percentage" jsonschema:"exclusiveMinimum=0,maximum=100"`
	Seed           uint64      `json:"seed,omitempty" jsonschema:"description=0 or absent: the agent draws one and reports it"`
	Abort          *HTTPAbort  `json:"abort,omitempty"`
	Delay          *HTTPDelay  `json:"delay,omitempty"`
	Modify         *HTTPModify `json:"modify,omitempty"`
	// Existing says how connections are handled that were open before. All faults of a place agree.
	Existing string `json:"existing,omitempty" jsonschema:"enum=takeover,enum=leave,enum=reset,default=takeover"`
}

// How connections are handled that were open before the first fault.
const (
	// ExistingTakeover makes the service close each of them after it has answered a request.
	ExistingTakeover = "takeover"
	ExistingLeave    = "leave"
	// ExistingReset resets all of them at once.
	ExistingReset = "reset"
)

// Match selects requests. An absent field matches everything. Path and header values are RE2
// expressions that must match the whole path (without query) or one whole header value.
type Match struct {
	Path    string            `json:"path,omitempty"`
	Method  string            `json:"method,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
}

// HTTPAbort answers a request in place of the service, which never sees it.
type HTTPAbort struct {
	Status  int               `json:"status" jsonschema:"minimum=200,maximum=599"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    string            `json:"body,omitempty"`
}

// HTTPDelay holds a request before the service sees it.
type HTTPDelay struct {
	distribution.Delay
}

// HTTPModify changes the service's answer: each of SetHeaders replaces all header lines of its name,
// or adds one; Body, unless it is empty, replaces the body, and RemoveBody leaves none.
type HTTPModify struct {
	SetHeaders map[string]string `json:"set_headers,omitempty"`
	Body       string            `json:"body,omitempty"`
	RemoveBody bool              `json:"remove_body,omitempty"`
}

// HTTPTotals counts what one fault really did since it was armed. The connection and byte
// counters are those of the place, shared by all faults there.
type HTTPTotals struct {
	Seen    uint64 `json:"seen"`
	Matched uint64 `json:"matched"`
	Aborted uint64 `json:"aborted"`
	Delayed uint64 `json:"delayed"`
	// Modified answers were really changed. An answer that cannot have a body gets none.
	Modified           uint64  `json:"modified"`
	DelayAskedMS       float64 `json:"delay_asked_ms"`
	DelayObtainedMS    float64 `json:"delay_obtained_ms"`
	DelayObtainedMaxMS float64 `json:"delay_obtained_max_ms"`
	Connections        uint64  `json:"connections"`
	// TakenOver connections were open before and were told to end, so that their clients connect again.
	TakenOver              uint64 `json:"taken_over,omitempty"`
	PassthroughConnections uint64 `json:"passthrough_connections"`
	// Passthrough counts these connections by why they were relayed unread from some byte on: tls, http2,
	// ambiguous, upgrade, connect, oversized_head, over_limit or other. Connections with other_process
	// were read, but another process made the call, so that no fault was applied.
	Passthrough map[string]uint64 `json:"passthrough,omitempty"`
	BytesIn     uint64            `json:"bytes_in"`
	BytesOut    uint64            `json:"bytes_out"`
}

// asked gives the detail of a spec.
func asked(s *spec.Spec) *HTTP { return s.Detail.(*HTTP) }
