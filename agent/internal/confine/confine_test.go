package confine

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
)

// build makes the program that confines itself, without cgo as the agent is: with cgo, as under the
// race detector, Go cannot make a system call on all threads.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "confined")
	c := exec.Command("go", "build", "-o", program, "./testdata/confined")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return program
}

func TestWhatAConfinedProcessMayDo(t *testing.T) {
	program := build(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("untouched"), 0o600); err != nil {
		t.Fatal(err)
	}
	for attempt, want := range map[string]string{
		"read": "<nil>", "listen": "<nil>", "twice": "<nil>",
		"write": "operation not permitted", "append": "operation not permitted",
		"clear": "operation not permitted", "remove": "operation not permitted",
		"exec": "bad system call", "mount": "bad system call", "mount, needed": "operation not permitted",
	} {
		t.Run(attempt, func(t *testing.T) {
			out, err := exec.Command(program, attempt, file).CombinedOutput()
			got := string(out)
			if err != nil {
				got += err.Error()
			}
			if !strings.Contains(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	if kept, err := os.ReadFile(file); err != nil || string(kept) != "untouched" {
		t.Errorf("the file is %q, %v", kept, err)
	}
}

func TestEveryMachineHasTheFilter(t *testing.T) {
	for _, name := range []string{"amd64", "arm64"} {
		machine, err := arch.GetInfo(name)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(known(machine, hostile)); n < len(hostile)-2 {
			t.Errorf("%s knows only %d of the %d hostile calls", name, n, len(hostile))
		}
		if len(opens(machine)) == 0 {
			t.Errorf("%s: opening is not filtered", name)
		}
	}
}

func TestCapabilitiesHaveTheNumbersOfTheKernel(t *testing.T) {
	for set, want := range map[Capabilities]uint64{
		Steering: 1 << 12, Steering | SeeProcesses: 1<<12 | 1<<19 | 1<<2, // include/uapi/linux/capability.h
	} {
		if uint64(set) != want {
			t.Errorf("got %x, want %x", uint64(set), want)
		}
	}
}
