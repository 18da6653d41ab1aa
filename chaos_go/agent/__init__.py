"""The wire to the Go agent: its contract, the channel to one process, and the leases it holds."""
