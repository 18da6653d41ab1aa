// Package steer brings connections to the agent and takes care that the kernel itself undoes it
// when the agent is gone: rules live in an nftables table owned by the agent's netlink socket,
// locks are abstract Unix sockets, listeners are on loopback.
package steer
