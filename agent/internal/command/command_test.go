package command

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"chaosgo/agent/internal/spec"
	"chaosgo/agent/internal/watchdog"
)

// The watchdog of `fault` starts its own program, here the test binary, as a worker.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == watchdog.Worker {
		os.Exit(Run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func run(args ...string) (code int, out, human string) {
	var o, h bytes.Buffer
	code = Run(args, strings.NewReader(""), &o, &h)
	return code, o.String(), h.String()
}

func TestVersion(t *testing.T) {
	code, out, _ := run("version")
	var about map[string]any
	if err := json.Unmarshal([]byte(out), &about); err != nil || code != spec.ExitClean {
		t.Fatalf("exit %d, %v: %s", code, err, out)
	}
	if about["version"] != spec.Version || about["protocol"] != float64(spec.Protocol) {
		t.Errorf("got %v", about)
	}
}

func TestCheckIsOneJSONObject(t *testing.T) {
	code, out, _ := run("check")
	if code != spec.ExitClean || !json.Valid([]byte(out)) {
		t.Errorf("exit %d: %s", code, out)
	}
}

func TestMisuseIsNamed(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "chaos-agent fault"},
		{[]string{"explode"}, `"explode"`},
		{[]string{"fault", "--port", "80"}, "port"},
		{[]string{"fault", "8081"}, `"8081"`},
	} {
		if code, _, human := run(c.args...); code != spec.ExitBadSpec || !strings.Contains(human, c.want) {
			t.Errorf("%v: exit %d, said %q", c.args, code, human)
		}
	}
}

func TestHelpIsNoError(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"--help"}, {"fault", "--help"}} {
		if code, out, human := run(args...); code != spec.ExitClean || !strings.Contains(out+human, "Exit codes") {
			t.Errorf("%v: exit %d", args, code)
		}
	}
}

func TestRefusalIsAnErrorEvent(t *testing.T) {
	for _, args := range [][]string{{"fault"}, {"load"}, {"fault", "--netns-pid", "1073741824"}} {
		code, out, _ := run(args...)
		var e spec.Event
		if err := json.Unmarshal([]byte(out), &e); err != nil || e.Event != spec.EventError || e.Problem.Fix == "" {
			t.Errorf("%v: %v %s", args, err, out)
		}
		if code != spec.ExitBadSpec {
			t.Errorf("%v: exit %d", args, code)
		}
	}
}
