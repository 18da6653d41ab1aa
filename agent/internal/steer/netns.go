package steer

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"chaosgo/agent/internal/spec"
)

// EnterNetworkOf executes this program again in the network namespace of pid. Only that puts every
// thread there before the first socket is made. It returns at once when the process is there already.
func EnterNetworkOf(pid int) error {
	const fix = "give the pid of a running process that you may inspect (root may inspect all)"
	path := fmt.Sprintf("/proc/%d/ns/net", pid)
	theirs, err := os.Readlink(path)
	if err != nil {
		return spec.Bad("netns-pid", strconv.Itoa(pid), strings.TrimPrefix(err.Error(), "readlink "), fix)
	}
	ours, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return spec.CannotRun(err.Error(), "mount /proc")
	}
	if ours == theirs {
		return nil
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return spec.Bad("netns-pid", strconv.Itoa(pid), err.Error(), fix)
	}
	runtime.LockOSThread()
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return spec.CannotRun(fmt.Sprintf("cannot enter the network namespace of process %d: %v", pid, err),
			"run as root (CAP_SYS_ADMIN in that namespace)")
	}
	return unix.Exec("/proc/self/exe", os.Args, os.Environ())
}
