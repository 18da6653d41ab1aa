package spec

// Event is every line out.
type Event struct {
	Event   string      `json:"event" jsonschema:"enum=armed,enum=stats,enum=disarmed,enum=error"`
	ID      string      `json:"id"`
	AtUnixS float64     `json:"at_unix_s"`
	Armed   *Armed      `json:"armed,omitempty"`
	HTTP    *HTTPTotals `json:"http,omitempty"`
	Load    *LoadSecond `json:"load,omitempty"`
	Reason  string      `json:"reason,omitempty" jsonschema:"enum=stop,enum=deadline,enum=lease,enum=signal"`
	Problem *Problem    `json:"error,omitempty"`
}

// The events, and the reasons of a disarmed one.
const (
	EventArmed    = "armed"
	EventStats    = "stats"
	EventDisarmed = "disarmed"
	EventError    = "error"

	ReasonStop     = "stop"
	ReasonDeadline = "deadline"
	ReasonLease    = "lease"
	ReasonSignal   = "signal"
)

// Armed tells what is in place now.
type Armed struct {
	AgentVersion string `json:"agent_version"`
	Protocol     int    `json:"protocol"`
	// PID is the agent's: the process that the control plane has started, the watchdog.
	PID int `json:"pid"`
	// WorkerPID is its child that holds the fault.
	WorkerPID int    `json:"worker_pid,omitempty"`
	Seed      uint64 `json:"seed,omitempty"`
	// Steering is how requests reach the agent: tproxy, redirect for the calls to a dependency, or proxy
	// when clients dial it themselves.
	Steering string `json:"steering,omitempty" jsonschema:"enum=tproxy,enum=redirect,enum=proxy"`
	// Resolved are the addresses of the dependency that are intercepted.
	Resolved []string `json:"resolved,omitempty"`
	// ExistingConnections were open before the place was intercepted.
	ExistingConnections int `json:"existing_connections,omitempty"`
	// ExistingHandling is what becomes of them. It is leave, with the reason in ExistingProblem, where
	// taking them over is not possible.
	ExistingHandling string `json:"existing_handling,omitempty" jsonschema:"enum=takeover,enum=leave,enum=reset"`
	ExistingProblem  string `json:"existing_problem,omitempty"`
	// UntouchedConnections of these are left alone; the requests on them are not faulted.
	UntouchedConnections int `json:"untouched_connections"`
}

// HTTPTotals counts what one fault really did since it was armed. The connection and byte
// counters are those of the place, shared by all faults there.
type HTTPTotals struct {
	Seen    uint64 `json:"seen"`
	Matched uint64 `json:"matched"`
	Aborted uint64 `json:"aborted"`
	Delayed uint64 `json:"delayed"`
	// Modified answers were really changed; one that cannot have a body keeps none.
	Modified           uint64  `json:"modified"`
	DelayAskedMS       float64 `json:"delay_asked_ms"`
	DelayObtainedMS    float64 `json:"delay_obtained_ms"`
	DelayObtainedMaxMS float64 `json:"delay_obtained_max_ms"`
	Connections        uint64  `json:"connections"`
	// TakenOver connections were open before, and were told to end so that their clients come again.
	TakenOver              uint64 `json:"taken_over,omitempty"`
	PassthroughConnections uint64 `json:"passthrough_connections"`
	// Passthrough counts these connections by why they were, from some byte on, relayed unread: tls,
	// http2, ambiguous, upgrade, connect, oversized_head, over_limit or other; or why nothing on them was faulted:
	// other_process made the call.
	Passthrough map[string]uint64 `json:"passthrough,omitempty"`
	BytesIn     uint64            `json:"bytes_in"`
	BytesOut    uint64            `json:"bytes_out"`
}

// LoadSecond is what became of the requests whose intended send time lies in one second; in a
// disarmed event, of all of them.
type LoadSecond struct {
	StartUnixS       float64           `json:"start_unix_s"`
	Intended         uint64            `json:"intended"`
	Sent             uint64            `json:"sent"`
	Statuses         map[string]uint64 `json:"statuses"`
	Timeouts         uint64            `json:"timeouts"`
	ConnectionErrors uint64            `json:"connection_errors"`
	// Late requests left more than 50 ms after their intended time although a slot was free.
	Late uint64 `json:"late"`
	// Dropped requests were never sent: no slot was free before they would have timed out.
	Dropped uint64 `json:"dropped"`
	// Impact requests hurt the business, out of the ImpactN that could be judged.
	Impact  uint64 `json:"impact"`
	ImpactN uint64 `json:"impact_n"`
	// Latency counts from the intended send time, ServiceTime from the actual one.
	Latency     Histogram `json:"latency"`
	ServiceTime Histogram `json:"service_time"`
}

// Histogram holds counts by bucket index of package histogram (log-linear, microseconds).
type Histogram struct {
	Counts map[int]uint64 `json:"counts"`
}

// Problem is why the agent refused: the offending value and what to do about it.
type Problem struct {
	Field   string `json:"field,omitempty"`
	Value   string `json:"value,omitempty"`
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
	// Exit is the exit code of the process that ends with this problem.
	Exit int `json:"-"`
}

// Error gives the problem in one line.
func (p *Problem) Error() string {
	s := p.Message
	if p.Field != "" {
		s = p.Field + "=" + p.Value + ": " + s
	}
	if p.Fix != "" {
		s += "; " + p.Fix
	}
	return s
}

// Exit codes of the agent.
const (
	ExitClean     = 0
	ExitBadSpec   = 2
	ExitCannotRun = 3
	ExitLease     = 4
	ExitDied      = 5
)

// Bad makes the problem of a value in a spec that is invalid.
func Bad(field, value, message, fix string) *Problem {
	return &Problem{Field: field, Value: value, Message: message, Fix: fix, Exit: ExitBadSpec}
}

// CannotRun makes the problem of a place that does not allow what was asked.
func CannotRun(message, fix string) *Problem {
	return &Problem{Message: message, Fix: fix, Exit: ExitCannotRun}
}
