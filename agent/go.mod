module chaosgo/agent

go 1.26.0

require (
	// Filters of system calls by name, assembled without cgo or libseccomp.
	github.com/elastic/go-seccomp-bpf v1.6.0
	// nf_tables over netlink; this commit is the first that can create tables with an owner.
	github.com/google/nftables v0.3.1-0.20251119083706-1db35da82052
	// The wire's JSON schema out of struct tags: cmd/contract only, not in the agent.
	github.com/invopop/jsonschema v0.14.0
	// Netlink messages and attributes, for the packet queues; nftables brings it anyway.
	github.com/mdlayher/netlink v1.8.1-0.20251028132421-dcc6cab9a6eb
	// Interfaces and qdiscs over netlink, for `check`; sock_diag, to reset connections.
	github.com/vishvananda/netlink v1.3.0
	// setns, clock_nanosleep, socket options.
	golang.org/x/sys v0.49.0
)

require (
	github.com/bahlo/generic-list-go v0.2.0 // indirect
	github.com/buger/jsonparser v1.1.2 // indirect
	github.com/google/go-cmp v0.7.0 // indirect
	github.com/mdlayher/socket v0.5.1 // indirect
	github.com/pb33f/ordered-map/v2 v2.3.1 // indirect
	github.com/vishvananda/netns v0.0.4 // indirect
	go.yaml.in/yaml/v4 v4.0.0-rc.2 // indirect
	golang.org/x/net v0.43.0 // indirect
	golang.org/x/sync v0.6.0 // indirect
)
