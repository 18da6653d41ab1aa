// Package confine takes privileges from this process that it does not need any more. None of them can be
// taken back.
package confine

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Capabilities is a set of them: 1<<unix.CAP_NET_ADMIN and so on.
type Capabilities uint64

const (
	// Steering: nftables, marks and transparent sockets.
	Steering Capabilities = 1 << unix.CAP_NET_ADMIN
	// SeeProcesses: the sockets of processes of other users.
	SeeProcesses Capabilities = 1<<unix.CAP_SYS_PTRACE | 1<<unix.CAP_DAC_READ_SEARCH
)

// Needs are the privileges that a process keeps, of those that it has. Empty Needs keep none.
type Needs struct {
	Capabilities Capabilities
	// Calls are system calls, by name, that the filter would refuse otherwise.
	Calls []string
}

// Process confines all threads of this process, also those that start later. It sets no_new_privs, drops
// all capabilities that are not needed, and filters system calls. Enter namespaces, start processes and
// open files to write before. A second call can only take away more.
func Process(n Needs) error {
	err := onAllThreads(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0)
	if errors.Is(err, unix.ENOTSUP) {
		return nil // built with cgo, as for the race detector; the agent never is
	}
	if err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if err := dropCapabilities(uint64(n.Capabilities)); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	if err := filterCalls(n.Calls); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	return nil
}

// dropCapabilities removes all capabilities that are not kept from every set of capabilities.
func dropCapabilities(kept uint64) error {
	err := onAllThreads(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0)
	if err != nil && !errors.Is(err, unix.EINVAL) { // Linux before 4.3 has none
		return err
	}
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if kept>>c&1 == 1 {
			continue
		}
		err := onAllThreads(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c, 0)
		switch {
		case errors.Is(err, unix.EPERM):
			c = unix.CAP_LAST_CAP // without CAP_SETPCAP; no_new_privs makes the set unreachable anyway
		case errors.Is(err, unix.EINVAL): // a younger capability than this kernel
		case err != nil:
			return err
		}
	}
	return setCapabilities(kept)
}

// Raise makes the capabilities that this process is permitted effective. The file of the agent in an image
// permits NET_ADMIN and does not make it effective: the kernel would refuse to start such a file in a
// container without NET_ADMIN, which a load does not need.
func Raise() error {
	err := setCapabilities(^uint64(0))
	if errors.Is(err, unix.ENOTSUP) {
		return nil // built with cgo, see Process
	}
	return err
}

// setCapabilities keeps these of the permitted capabilities, and makes them effective.
func setCapabilities(kept uint64) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return err
	}
	for i := range sets {
		mask := uint32(kept >> (32 * i))
		sets[i].Permitted &= mask
		sets[i].Effective = sets[i].Permitted
		sets[i].Inheritable = 0
	}
	header.Pid = 0 // the calling thread
	err := onAllThreads(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&sets[0])), 0)
	runtime.KeepAlive(&header)
	runtime.KeepAlive(&sets)
	return err
}

// onAllThreads makes a system call on every thread, because the call changes its own thread only.
func onAllThreads(call, a, b, c uintptr) error {
	if _, _, errno := syscall.AllThreadsSyscall6(call, a, b, c, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
