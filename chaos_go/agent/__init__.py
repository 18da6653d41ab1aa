"""Talks to Go agents: the contract, the channel to one process, and the leases that it holds."""
