package command

import (
	"bytes"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"chaosgo/agent/internal/spec"
)

const (
	// idleTime is after how long without an agent a container ends by default.
	idleTime = 10 * time.Minute
	// orderly is how long agents may take to end in order. It is shorter than the usual grace period of a pod.
	orderly = 3 * time.Second
	// lookEvery is how often hold looks for agents.
	lookEvery = time.Second
)

// hold keeps a container alive in which agents are started from outside (pods/exec). It is their init: it
// reaps what they leave, passes a signal on and waits until they have ended in order, and ends by itself
// when there has been no agent for the idle time. An idle time of 0 means never.
func hold(idle time.Duration) int {
	asked, children := signals(), make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	last := time.Now() // when the last agent was seen
	for {
		reap()
		select {
		case <-children:
		case now := <-look.C:
			if len(agentsHere()) > 0 {
				last = now
			} else if idle > 0 && now.Sub(last) >= idle {
				return spec.ExitClean
			}
		case <-asked:
			endAgents()
			return spec.ExitClean
		}
	}
}

// reap takes the exit codes of processes whose parents have died before them.
func reap() {
	for {
		if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != nil || pid <= 0 {
			return
		}
	}
}

func endAgents() {
	deadline := time.Now().Add(orderly)
	for _, pid := range agentsHere() {
		unix.Kill(pid, unix.SIGTERM) //nolint:errcheck // it may have ended by now
	}
	for len(agentsHere()) > 0 && time.Now().Before(deadline) {
		reap()
		time.Sleep(10 * time.Millisecond)
	}
}

// agentsHere gives the agents that were started in this container from outside. Such a process has no
// parent that is visible here. A worker is left out: its watchdog passes signals on.
func agentsHere() (pids []int) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	entries, _ := filepath.Glob("/proc/[0-9]*")
	for _, entry := range entries {
		pid, _ := strconv.Atoi(filepath.Base(entry))
		if pid == os.Getpid() || !isAgent(entry) {
			continue
		}
		// Another container of the pod may share the process namespace, but not the cgroup.
		if cgroup, err := os.ReadFile(entry + "/cgroup"); err == nil && bytes.Equal(cgroup, own) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// isAgent tells whether a process is an agent that was started from outside. The link /proc/PID/exe would
// be a better proof, but it cannot be read of a process with file capabilities.
func isAgent(entry string) bool {
	line, err := os.ReadFile(entry + "/cmdline")
	args := strings.Split(string(line), "\x00")
	if err != nil || len(args) < 2 || filepath.Base(args[0]) != filepath.Base(os.Args[0]) || args[1] == "hold" {
		return false
	}
	status, err := os.ReadFile(entry + "/status")
	return err == nil && bytes.Contains(status, []byte("\nPPid:\t0\n"))
}
