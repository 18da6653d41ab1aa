package spec

// Event is every line out.
type Event struct {
	Event   string   `json:"event" jsonschema:"enum=armed,enum=stats,enum=disarmed,enum=error,enum=judged"`
	ID      string   `json:"id"`
	AtUnixS float64  `json:"at_unix_s"`
	Armed   *Armed   `json:"armed,omitempty"`
	Reason  string   `json:"reason,omitempty" jsonschema:"enum=stop,enum=deadline,enum=lease,enum=signal"`
	Problem *Problem `json:"error,omitempty"`
	// Problems are all that is wrong with a spec that was judged.
	Problems []*Problem `json:"problems,omitempty"`
	// Totals is the object of the kind in a stats or disarmed event: what it did since it was armed. On
	// the wire it is a field that has the name of the Kind.
	Totals any    `json:"-"`
	Kind   string `json:"-"`
}

// The events, and the reasons of a disarmed one.
const (
	EventArmed    = "armed"
	EventStats    = "stats"
	EventDisarmed = "disarmed"
	EventError    = "error"
	// EventJudged answers each line of `chaos-agent judge`.
	EventJudged = "judged"

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
	UntouchedConnections int `json:"untouched_connections,omitempty"`
}
