package watchdog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chaosgo/agent/internal/spec"
)

// WATCHDOG_CONFINES selects one of these, in place of confining the watchdog at once.
var confinements = map[string]func() error{
	"late": func() error { time.Sleep(confinedAfter); return nil },
	"not":  func() error { return errors.New("on purpose") },
}

const confinedAfter = 500 * time.Millisecond

// The test binary is its own agent: `fault` is a watchdog, which starts it as `worker`.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "fault":
		if other := confinements[os.Getenv("WATCHDOG_CONFINES")]; other != nil {
			confineSelf = other
		}
		os.Exit(Run(os.Stdin, os.Stdout, os.Stderr))
	case len(os.Args) == 2 && os.Args[1] == Worker:
		os.Exit(work(os.Getenv("WORKER_DOES")))
	}
	os.Exit(m.Run())
}

// The kernel does not kill a worker that "outlives" its watchdog. The signal at the death of the
// parent belongs to the main thread, and only init is sure to run on it.
func init() {
	if os.Getenv("WORKER_DOES") == "outlive" {
		unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0)
	}
}

// work is a worker that does one thing. It says "ready <pid of its agent>" first.
func work(what string) int {
	parent, err := Attach()
	if err != nil {
		fmt.Println(err)
		return spec.ExitCannotRun
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, Ask...)
	fmt.Println("ready", PID())
	code := 0
	switch what {
	case "panic":
		panic("on purpose")
	case "hang":
		syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		select {} // until the signal has arrived
	case "exit":
		code = 3
	case "read", "outlive":
		io.Copy(io.Discard, parent.Bound(os.Stdin))
		fmt.Println("input ended")
		code = spec.ExitLease
	case "signal":
		fmt.Println(<-asked)
	}
	parent.Leave()
	return code
}

type agent struct {
	*exec.Cmd
	in     io.WriteCloser
	out    io.Reader
	stderr bytes.Buffer
}

// launch starts an agent and does not wait until its worker is ready.
func launch(t *testing.T, environment ...string) *agent {
	t.Helper()
	a := &agent{Cmd: exec.Command("/proc/self/exe", "fault")}
	a.Env = append(os.Environ(), environment...)
	a.Stderr = &a.stderr
	a.in, _ = a.StdinPipe()
	a.out, _ = a.StdoutPipe()
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Process.Kill() })
	return a
}

func startAgent(t *testing.T, does string, environment ...string) *agent {
	t.Helper()
	a := launch(t, append(environment, "WORKER_DOES="+does)...)
	var pid int
	if _, err := fmt.Fscanf(a.out, "ready %d\n", &pid); err != nil || pid != a.Process.Pid {
		t.Fatalf("the worker takes %d for its agent, which is %d: %v", pid, a.Process.Pid, err)
	}
	return a
}

// end returns what was still written and how the agent ended. Its stdout must end within limit.
func (a *agent) end(t *testing.T, limit time.Duration) (said string, state *os.ProcessState) {
	t.Helper()
	begin := time.Now()
	stuck := time.AfterFunc(20*time.Second, func() { a.Process.Kill() })
	defer stuck.Stop()
	rest, _ := io.ReadAll(a.out)
	took := time.Since(begin)
	a.Wait() //nolint:errcheck // the state tells
	t.Logf("ended after %v: %v", took.Round(time.Millisecond), a.ProcessState)
	if took > limit {
		t.Errorf("took %v, want less than %v", took, limit)
	}
	return string(rest), a.ProcessState
}

func TestExitCodeIsPassedOn(t *testing.T) {
	a := startAgent(t, "exit")
	if _, state := a.end(t, 5*time.Second); state.ExitCode() != 3 || a.stderr.Len() > 0 {
		t.Errorf("got %v, %s", state, &a.stderr)
	}
}

func TestSignalIsPassedOn(t *testing.T) {
	for _, s := range Ask {
		a := startAgent(t, "signal")
		a.Process.Signal(s)
		if said, state := a.end(t, 5*time.Second); state.ExitCode() != 0 || strings.TrimSpace(said) != s.String() {
			t.Errorf("%v: got %v, %q, %s", s, state, said, &a.stderr)
		}
	}
}

func TestEndOfInputReachesTheWorker(t *testing.T) {
	a := startAgent(t, "read")
	a.in.Close()
	if said, state := a.end(t, 5*time.Second); state.ExitCode() != spec.ExitLease || said != "input ended\n" {
		t.Errorf("got %v, %q", state, said)
	}
}

func TestDeathOfTheWorkerIsTold(t *testing.T) {
	for does, want := range map[string]string{
		"panic": "panic: on purpose",
		"hang":  "hung for 1.6s and was killed",
	} {
		a := startAgent(t, does)
		_, state := a.end(t, 10*time.Second)
		lines := strings.Split(strings.TrimSpace(a.stderr.String()), "\n")
		last := lines[len(lines)-1]
		if state.ExitCode() != spec.ExitDied || !strings.HasPrefix(last, "chaos-agent: ") || !strings.Contains(last, want) {
			t.Errorf("%s: got %v, %q", does, state, last)
		}
	}
}

func TestCauseIsFoundInPieces(t *testing.T) {
	for _, pieces := range [][]string{
		{"runtime: out of memory: cannot allocate\n", "fatal error: ", "out of memory", "\n", "\nruntime stack:\n"},
		{"runtime: out of memory\nfatal error: out of memory\npanic: later\n"},
	} {
		var human bytes.Buffer
		s := &stderr{to: &human}
		for _, piece := range pieces {
			fmt.Fprint(s, piece)
		}
		if s.cause != "fatal error: out of memory" || human.String() != strings.Join(pieces, "") {
			t.Errorf("%q: cause %q, passed on %q", pieces, s.cause, &human)
		}
	}
}

func TestWorkerDiesWithItsWatchdog(t *testing.T) {
	// The kernel closes the pipe of the beats before it kills the worker, or does not kill it at all. A
	// worker that reported the end of its input then would hide that the agent was killed.
	for _, does := range []string{"read", "outlive"} {
		a := startAgent(t, does)
		a.Process.Kill()
		if said, _ := a.end(t, 5*time.Second); said != "" {
			t.Errorf("%s: the worker lived on and said %q", does, said)
		}
	}
}

func TestWorkerWaitsUntilItsWatchdogIsConfined(t *testing.T) {
	begin := time.Now()
	a := startAgent(t, "exit", "WATCHDOG_CONFINES=late")
	if took := time.Since(begin); took < confinedAfter {
		t.Errorf("the worker was ready after %v, its watchdog confined after %v", took, confinedAfter)
	}
	if _, state := a.end(t, 5*time.Second); state.ExitCode() != 3 {
		t.Errorf("got %v, %s", state, &a.stderr)
	}
}

func TestWatchdogThatCannotBeConfinedIsNoAgent(t *testing.T) {
	a := launch(t, "WORKER_DOES=exit", "WATCHDOG_CONFINES=not")
	said, state := a.end(t, 5*time.Second)
	want := "chaos-agent: the watchdog cannot give up its privileges: on purpose\n"
	if said != "" || state.ExitCode() != spec.ExitCannotRun || a.stderr.String() != want {
		t.Errorf("said %q, %v, %q", said, state, &a.stderr)
	}
}

func TestWorkerEndsWhenItsWatchdogHangs(t *testing.T) {
	a := startAgent(t, "read")
	a.Process.Signal(syscall.SIGSTOP)
	said, state := a.end(t, 10*time.Second)
	if status := state.Sys().(syscall.WaitStatus); said != "input ended\n" || status.Signal() != syscall.SIGKILL {
		t.Errorf("got %v, %q", state, said)
	}
}
