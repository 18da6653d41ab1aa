// Package steer brings connections to the agent, in such a way that the kernel undoes everything when
// the agent is gone: rules are in an nftables table that the netlink socket of the agent owns, locks
// are abstract Unix sockets, listeners are on loopback.
package steer
