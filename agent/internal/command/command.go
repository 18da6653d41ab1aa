// Package command is the command line of the agent.
package command

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"chaosgo/agent/internal/check"
	"chaosgo/agent/internal/confine"
	"chaosgo/agent/internal/lease"
	"chaosgo/agent/internal/spec"
	"chaosgo/agent/internal/steer"
	"chaosgo/agent/internal/watchdog"
)

const usage = `chaos-agent: faults and load for Go services, held by this process and by nothing else

  chaos-agent fault [--netns-pid PID]   hold the faults of one place; specs and commands on stdin
  chaos-agent load  [--netns-pid PID]   drive an open-loop load; the spec on stdin
  chaos-agent check [--netns-pid PID]   print as JSON what this place allows, by trying it
  chaos-agent judge                     tell which specs on stdin are valid: one answer per line with
                                        the problem, if there is one; arms nothing, needs no privileges
  chaos-agent hold  [--idle DURATION]   keep a container alive for agents that are started in it: reap,
                                        pass signals on, end after 10m without an agent (0: never)
  chaos-agent version                   print version and protocol as JSON

One JSON object per line on stdin and stdout; their schema is contract/schema.json of chaos_go.
Exit codes: 0 undone cleanly, 2 bad spec or usage, 3 cannot run here, 4 ended by a lost lease,
5 crashed or hung: stderr tells, and the kernel has undone everything.
`

// Run executes one sub-command and returns the exit code of the process.
func Run(args []string, in io.Reader, out, human io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(human, usage)
		return spec.ExitBadSpec
	}
	flags := flag.NewFlagSet("chaos-agent "+args[0], flag.ContinueOnError)
	flags.SetOutput(human)
	pid := flags.Int("netns-pid", 0, "enter the network namespace of this process first")
	idle := idleTime
	if args[0] == "hold" {
		flags.DurationVar(&idle, "idle", idleTime, "end after this time without an agent; 0 for never")
	}
	if err := flags.Parse(args[1:]); errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(human, usage)
		return spec.ExitClean
	} else if err != nil {
		return spec.ExitBadSpec
	}
	if flags.NArg() > 0 {
		return misused(human, flags.Arg(0))
	}
	if *pid != 0 {
		if err := steer.EnterNetworkOf(*pid); err != nil {
			return refuse(out, err)
		}
	}
	if args[0] == "hold" {
		return hold(idle)
	}
	return execute(args[0], in, out, human)
}

func execute(name string, in io.Reader, out, human io.Writer) int {
	switch name {
	case "fault", watchdog.Worker, "check":
		if err := confine.Raise(); err != nil {
			return refuse(out, spec.CannotRun("the agent cannot use its capabilities: "+err.Error(), "run it as root to see whether that helps"))
		}
	}
	switch name {
	case "fault":
		return watchdog.Run(in, out, human)
	case watchdog.Worker:
		return work(in, out)
	case "load":
		return held(in, out, spec.KindNames(false))
	case "judge":
		return judge(in, out, human)
	case "check":
		return print(out, check.Place())
	case "version":
		return print(out, about{spec.Version, spec.Protocol, runtime.GOOS, runtime.GOARCH})
	case "help", "-h", "--help":
		fmt.Fprint(out, usage)
		return spec.ExitClean
	}
	return misused(human, name)
}

// work holds faults in the process that the watchdog watches.
func work(in io.Reader, out io.Writer) int {
	parent, err := watchdog.Attach()
	if err != nil {
		return refuse(out, err)
	}
	code := held(parent.Bound(in), out, spec.KindNames(true))
	parent.Leave() // not deferred: a panic must not look like a clean end
	return code
}

func held(in io.Reader, out io.Writer, kinds []string) int {
	return lease.Run(lease.Options{In: in, Out: out, Signals: signals(), Kinds: kinds, Confine: confine.Process})
}

// signals receives the signals that ask the process to end. SIGPIPE is ignored: when the control plane
// is gone, stdin ends, and then everything is undone in order.
func signals() <-chan os.Signal {
	signal.Ignore(syscall.SIGPIPE)
	c := make(chan os.Signal, 1)
	signal.Notify(c, watchdog.Ask...)
	return c
}

type about struct {
	Version  string `json:"version"`
	Protocol int    `json:"protocol"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

func print(out io.Writer, value any) int {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	if e.Encode(value) != nil {
		return spec.ExitCannotRun
	}
	return spec.ExitClean
}

func misused(human io.Writer, word string) int {
	fmt.Fprintf(human, "chaos-agent: %q is not understood\n\n%s", word, usage)
	return spec.ExitBadSpec
}

// refuse tells on the wire why nothing was started.
func refuse(out io.Writer, err error) int {
	p := spec.ProblemOf(err)
	json.NewEncoder(out).Encode(spec.Event{Event: spec.EventError, Problem: p}) //nolint:errcheck // the exit code says it too
	return p.Exit
}
