// Package spec is the wire between the control plane and the agent: one JSON object per line.
// The struct tags here are the contract; contract/schema.json is generated from them.
package spec

// Protocol is the version of the wire. It changes when an old peer would misunderstand a new one.
const Protocol = 1

// Version is the release of the agent, set by the linker.
var Version = "unversioned"

// Kinds of work that a Spec can ask for.
const (
	KindHTTP = "http"
	KindLoad = "load"
)

// Limits of every lease. A fault never outlives MaxDurationS.
const (
	MaxDurationS  = 3600.0
	MaxLeaseS     = 60.0
	DefaultLeaseS = 10.0
	// DefaultMaxConnections of one place.
	DefaultMaxConnections = 10_000
)

// Spec is the first line in, and what an `add` command carries: one fault or one load.
type Spec struct {
	Version   int     `json:"version" jsonschema:"enum=1"`
	ID        string  `json:"id" jsonschema:"minLength=1,maxLength=100"`
	Kind      string  `json:"kind" jsonschema:"enum=http,enum=load"`
	DurationS float64 `json:"duration_s" jsonschema:"exclusiveMinimum=0,maximum=3600"`
	LeaseS    float64 `json:"lease_s,omitempty" jsonschema:"minimum=1,maximum=60,default=10"`
	HTTP      *HTTP   `json:"http,omitempty"`
	Load      *Load   `json:"load,omitempty"`
}

// HTTP is one fault on requests: exactly one of Port, Proxy and To says where, exactly one of Abort,
// Delay and Modify says what. Port is of a service; To, "HOST:PORT", is of a dependency that is called
// from this network namespace, with CallerPID by that process only.
type HTTP struct {
	Port              int    `json:"port,omitempty" jsonschema:"minimum=1,maximum=65535"`
	Proxy             *Proxy `json:"proxy,omitempty"`
	To                string `json:"to,omitempty"`
	CallerPID         int    `json:"caller_pid,omitempty" jsonschema:"minimum=1"`
	Match             *Match `json:"match,omitempty"`
	KeepClientAddress bool   `json:"keep_client_address,omitempty" jsonschema:"description=with port: the service sees the address of its client and not the agent's"`
	// MaxConnections bounds how many connections of the place are judged at a time; the fault that comes
	// first to a place decides. More are relayed unread and counted as over_limit.
	MaxConnections int         `json:"max_connections,omitempty" jsonschema:"minimum=1,maximum=1000000,default=10000"`
	Percentage     float64     `json:"percentage" jsonschema:"exclusiveMinimum=0,maximum=100"`
	Seed           uint64      `json:"seed,omitempty" jsonschema:"description=0 or absent: the agent draws one and reports it"`
	Abort          *HTTPAbort  `json:"abort,omitempty"`
	Delay          *HTTPDelay  `json:"delay,omitempty"`
	Modify         *HTTPModify `json:"modify,omitempty"`
	// Existing says what becomes of connections that were open before; all faults of a place agree.
	Existing string `json:"existing,omitempty" jsonschema:"enum=takeover,enum=leave,enum=reset,default=takeover"`
}

// What becomes of the connections that the service had accepted before the first fault.
const (
	// ExistingTakeover has the service itself close them, each behind an answer of its own.
	ExistingTakeover = "takeover"
	ExistingLeave    = "leave"
	// ExistingReset resets them all at once.
	ExistingReset = "reset"
)

// Proxy is an explicit proxy: clients dial Listen, which must be a loopback address.
type Proxy struct {
	Listen   string `json:"listen"`
	Upstream string `json:"upstream"`
}

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

// HTTPModify changes the service's answer: each of SetHeaders replaces all header lines of its name,
// or adds one; Body, unless it is empty, replaces the body, and RemoveBody leaves none.
type HTTPModify struct {
	SetHeaders map[string]string `json:"set_headers,omitempty"`
	Body       string            `json:"body,omitempty"`
	RemoveBody bool              `json:"remove_body,omitempty"`
}

// HTTPDelay holds a request before the service sees it, for a time drawn anew for each. Distribution
// says how, with D for DelayMS and J, the scale, for JitterMS:
//
//	constant  D; J must be 0
//	uniform   evenly from D-J to D+J, J <= D; the default; with J = 0 the same as constant
//	normal    mean D, standard deviation J, 0 < J <= D; drawn again when more than min(4J, D) from D
//	pareto    D + J*X, X Lomax with shape 3: P(X > x) = (1+x)^-3, given X <= 20; mean D + 0.497 J,
//	          median D + 0.26 J, P99 D + 3.63 J, P99.9 D + 8.66 J
//
// No delay is below 0 or above Longest.
type HTTPDelay struct {
	DelayMS      float64 `json:"delay_ms" jsonschema:"exclusiveMinimum=0"`
	JitterMS     float64 `json:"jitter_ms,omitempty" jsonschema:"minimum=0"`
	Distribution string  `json:"distribution,omitempty" jsonschema:"enum=constant,enum=uniform,enum=normal,enum=pareto,default=uniform"`
}

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
}

// Impact says which requests hurt the business: any one of these that holds.
type Impact struct {
	Statuses  []int  `json:"statuses,omitempty"`
	JSONField string `json:"json_field,omitempty"`
	JSONValue string `json:"json_value,omitempty"`
	Timeout   bool   `json:"timeout,omitempty"`
}

// Command is every line in after the first.
type Command struct {
	Command string `json:"command" jsonschema:"enum=heartbeat,enum=add,enum=remove,enum=stop"`
	Spec    *Spec  `json:"spec,omitempty"`
	ID      string `json:"id,omitempty"`
}

// The commands.
const (
	Heartbeat = "heartbeat"
	Add       = "add"
	Remove    = "remove"
	Stop      = "stop"
)
