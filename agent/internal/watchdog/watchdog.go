// Package watchdog makes the agent two processes. The worker does everything; its parent, the
// watchdog, kills a worker whose pulse stops. The kernel then undoes what the worker held. Each of the
// two ends when the other one dies or hangs.
package watchdog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"chaosgo/agent/internal/confine"
	"chaosgo/agent/internal/pulse"
	"chaosgo/agent/internal/spec"
)

// Worker is the sub-command of the agent that the watchdog starts.
const Worker = "worker"

const (
	// silenceLimit is how many intervals may pass without a sign of the other process: 1.6 s. They are
	// counted in our own ticks, so that suspending the machine does not count.
	silenceLimit = 8
	// startLimit is the same until the first sign of a new process: 10 s.
	startLimit = 50
)

// The worker sends a byte for each beat, and another one before it exits with an exit code of its
// choice.
const (
	beat = 'b'
	bye  = 'e'
)

// Ask are the signals that ask an agent to end.
var Ask = []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP}

// Run starts the worker on the given streams and watches it. It returns the exit code of the agent.
func Run(in io.Reader, out, human io.Writer) int {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, Ask...)
	signal.Ignore(syscall.SIGPIPE)
	nameProcess()
	// The kernel kills the worker when this thread ends, even if the process goes on (PR_SET_PDEATHSIG
	// in prctl(2)).
	runtime.LockOSThread()
	w, err := start(in, out, human)
	if err != nil {
		fmt.Fprintln(human, "chaos-agent: cannot start the worker:", err)
		return spec.ExitCannotRun
	}
	letGo(in, out)
	if in == os.Stdin { // this is a process of its own, and no test
		if err := confineSelf(); err != nil {
			w.giveUp()
			fmt.Fprintln(human, "chaos-agent: the watchdog cannot give up its privileges:", err)
			return spec.ExitCannotRun
		}
	}
	w.beat() // the worker arms nothing before it, so this process is confined by then
	w.watch(asked)
	return w.verdict(human)
}

// confineSelf takes all privileges from this process, which only counts ticks and kills its child.
// Start the worker before: a confined process cannot start one, and its child would be confined too.
var confineSelf = func() error { return confine.Process(confine.Needs{}) }

type watched struct {
	cmd    *exec.Cmd
	signs  <-chan byte // closed when the worker is gone
	beats  *os.File
	stderr *stderr
	bye    bool
	killed bool
}

func start(in io.Reader, out, human io.Writer) (*watched, error) {
	cmd := exec.Command("/proc/self/exe", Worker)
	cmd.Args[0] = os.Args[0]
	said := &stderr{to: human}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	signs, signsOut, err1 := os.Pipe()
	beatsIn, beats, err2 := os.Pipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	theirs := []*os.File{signsOut, beatsIn} // file descriptors 3 and 4, see Attach
	cmd.ExtraFiles = theirs
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	for _, f := range theirs {
		f.Close() //nolint:errcheck // the worker has its own
	}
	return &watched{cmd: cmd, signs: bytesOf(signs), beats: beats, stderr: said}, nil
}

// letGo leaves stdin and stdout to the worker alone. When the worker ends, they end too, even if this
// process hangs.
func letGo(streams ...any) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer null.Close() //nolint:errcheck // nothing was written
	for _, s := range streams {
		if f, ok := s.(*os.File); ok {
			unix.Dup3(int(null.Fd()), int(f.Fd()), 0) //nolint:errcheck // then this process keeps it until it exits
		}
	}
}

// watch returns when the worker has ended.
func (w *watched) watch(asked <-chan os.Signal) {
	tick := time.NewTicker(pulse.Interval)
	defer tick.Stop()
	left := startLimit
	for {
		select {
		case sign, ok := <-w.signs:
			if !ok {
				return
			}
			w.bye = w.bye || sign == bye
			left = silenceLimit
		case s := <-asked:
			w.cmd.Process.Signal(s) //nolint:errcheck // it is gone already
		case <-tick.C:
			w.beat()
			if left--; left < 0 && !w.killed {
				w.killed = true
				w.cmd.Process.Kill() //nolint:errcheck // it is gone already
			}
		}
	}
}

func (w *watched) beat() {
	w.beats.Write([]byte{beat}) //nolint:errcheck // it is gone already
}

// giveUp kills a worker that has not begun.
func (w *watched) giveUp() {
	w.cmd.Process.Kill() //nolint:errcheck // it is gone already
	w.cmd.Wait()         //nolint:errcheck // it was killed
}

// verdict returns the exit code of the worker. When the worker died or was killed, it says so.
func (w *watched) verdict(human io.Writer) int {
	err := w.cmd.Wait()
	state := w.cmd.ProcessState
	if w.bye && state != nil && state.Exited() {
		return state.ExitCode()
	}
	how := fmt.Sprintf("died, %v", err)
	if w.stderr.cause != "" {
		how += ": " + w.stderr.cause
	}
	if w.killed {
		how = fmt.Sprintf("hung for %v and was killed", silenceLimit*pulse.Interval)
	}
	fmt.Fprintf(human, "chaos-agent: the worker (pid %d) %s\n", w.cmd.Process.Pid, how)
	return spec.ExitDied
}

// stderr passes on what the worker writes for humans. It keeps the line that says why the Go runtime
// ended the worker; the runtime writes a line in several pieces.
type stderr struct {
	to    io.Writer
	line  []byte
	cause string
}

var cause = regexp.MustCompile(`^(panic|fatal error|SIG[A-Z]+): .+`)

func (s *stderr) Write(text []byte) (int, error) {
	for _, piece := range bytes.SplitAfter(text, []byte("\n")) {
		s.line = append(s.line, piece...)
		if !bytes.HasSuffix(piece, []byte("\n")) {
			break // the rest of the line is still to come
		}
		if s.cause == "" {
			s.cause = string(cause.Find(bytes.TrimSpace(s.line)))
		}
		s.line = s.line[:0]
	}
	return s.to.Write(text)
}

// nameProcess sets the name of this process in ps and nft, because it was started as /proc/self/exe.
func nameProcess() {
	os.WriteFile("/proc/self/comm", []byte("chaos-agent"), 0) //nolint:errcheck // for humans only
}
