// Package check finds out which faults are possible here. It tries each mechanism on a table, an
// interface or a socket of its own, which it removes again.
package check

import (
	"bytes"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Report is what `chaos-agent check` prints.
type Report struct {
	Kernel       string   `json:"kernel"`
	Capabilities []string `json:"capabilities"`
	// Able has an entry for each mechanism, named as in nftables, tc and socket options.
	Able map[string]Ability `json:"able"`
}

// Ability says that one mechanism works here, or why it does not.
type Ability struct {
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"`
}

// Place tries every mechanism in the network namespace of this process.
func Place() Report {
	r := Report{Kernel: kernel(), Capabilities: capabilities(), Able: map[string]Ability{}}
	for _, trial := range nftTrials {
		r.Able[trial.name] = ability(tryTable(trial))
	}
	r.Able["netem"] = ability(tryNetem())
	r.Able["ip_transparent"] = ability(trySocket(unix.SOL_IP, unix.IP_TRANSPARENT))
	r.Able["so_mark"] = ability(trySocket(unix.SOL_SOCKET, unix.SO_MARK))
	return r
}

func ability(err error) Ability {
	if err != nil {
		return Ability{Reason: err.Error()}
	}
	return Ability{OK: true}
}

func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown: " + err.Error()
	}
	release, _, _ := bytes.Cut(u.Release[:], []byte{0})
	return string(release)
}

// relevant are the capabilities that some fault needs (linux/capability.h).
var relevant = []struct {
	bit  uint
	name string
}{
	{unix.CAP_KILL, "CAP_KILL"},
	{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"},
	{unix.CAP_NET_RAW, "CAP_NET_RAW"},
	{unix.CAP_SYS_PTRACE, "CAP_SYS_PTRACE"},
	{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},
}

// capabilities returns the relevant ones of the effective set.
func capabilities() []string {
	held := []string{}
	status, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		return held
	}
	_, rest, _ := bytes.Cut(status, []byte("\nCapEff:"))
	var effective uint64
	if _, err := fmt.Sscanf(string(rest), "%x", &effective); err != nil {
		return held
	}
	for _, c := range relevant {
		if effective&(1<<c.bit) != 0 {
			held = append(held, c.name)
		}
	}
	return held
}

func trySocket(level, option int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // it was only opened to try the option
	return unix.SetsockoptInt(fd, level, option, 1)
}
