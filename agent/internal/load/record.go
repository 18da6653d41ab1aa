package load

// LoadSecond counts what became of the requests whose intended send time lies in one second. In a
// disarmed event it counts all requests.
type LoadSecond struct {
	StartUnixS       float64           `json:"start_unix_s"`
	Intended         uint64            `json:"intended"`
	Sent             uint64            `json:"sent"`
	Statuses         map[string]uint64 `json:"statuses"`
	Timeouts         uint64            `json:"timeouts"`
	ConnectionErrors uint64            `json:"connection_errors"`
	// FailuresByCause counts every failed request: status from 500, timeout, connection error. Its keys are a
	// status such as "503", or timeout, refused, reset, closed, unreachable, unresolved, other.
	FailuresByCause map[string]uint64 `json:"failures_by_cause,omitempty"`
	// Failures lists failed requests in the order in which they ended: the first 200 of a second, until a load
	// has listed 50,000. A disarmed event lists none.
	Failures []Failure `json:"failures,omitempty"`
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

// Failure is one failed request. Its times are in milliseconds: at_ms is its intended send time, counted from
// the start of its second, and took_ms how long after that it had failed.
type Failure struct {
	AtMS   float64 `json:"at_ms"`
	TookMS float64 `json:"took_ms"`
	Cause  string  `json:"cause"`
}

// Histogram holds counts by bucket index of package histogram (log-linear, microseconds).
type Histogram struct {
	Counts map[int]uint64 `json:"counts"`
}
