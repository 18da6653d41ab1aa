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
