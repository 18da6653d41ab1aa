package confine

import (
	"errors"
	"slices"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// hostile calls kill the process. The agent makes none of them, so that whoever makes one has taken the
// process over. The kernel then removes its faults.
var hostile = []string{
	"execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev",
	"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "bpf",
	"mount", "umount2", "pivot_root", "move_mount", "open_tree", "fsopen", "fsmount", "chroot",
	"setns", "unshare", "perf_event_open", "userfaultfd", "io_uring_setup",
	"add_key", "request_key", "keyctl", "reboot", "swapon", "swapoff", "acct",
	"settimeofday", "clock_settime", "sethostname", "open_by_handle_at",
	"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups",
}

// changing calls fail with EPERM. They would change files, and the agent changes none.
var changing = []string{
	"creat", "truncate", "ftruncate", "unlink", "unlinkat", "rename", "renameat", "renameat2",
	"link", "linkat", "symlink", "symlinkat", "mknod", "mknodat", "mkdir", "mkdirat", "rmdir",
	"chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat",
	"setxattr", "lsetxattr", "fsetxattr", "openat2",
}

// toWrite is any flag with which an open could change a file.
const toWrite = unix.O_WRONLY | unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC

// filterCalls installs the filter on all threads. It does not refuse the calls that are needed. Where the
// kernel has no seccomp it does nothing.
func filterCalls(needed []string) error {
	machine, err := arch.GetInfo("")
	if err != nil {
		return err
	}
	filter := seccomp.Filter{Flag: seccomp.FilterFlagTSync, Policy: policy(machine, needed)}
	err = seccomp.LoadFilter(filter)
	if errors.Is(err, unix.ENOSYS) {
		return nil
	}
	return err
}

func policy(machine *arch.Info, needed []string) seccomp.Policy {
	without := func(names []string) []string {
		return slices.DeleteFunc(known(machine, names), func(name string) bool { return slices.Contains(needed, name) })
	}
	return seccomp.Policy{DefaultAction: seccomp.ActionAllow, Syscalls: []seccomp.SyscallGroup{
		{Names: without(hostile), Action: seccomp.ActionKillProcess},
		{Names: without(changing), Action: seccomp.ActionErrno},
		{NamesWithCondtions: opens(machine), Action: seccomp.ActionErrno},
	}}
}

func opens(machine *arch.Info) (calls []seccomp.NameWithConditions) {
	for name, argument := range map[string]uint32{"open": 1, "openat": 2} {
		if len(known(machine, []string{name})) > 0 {
			calls = append(calls, seccomp.NameWithConditions{Name: name, Conditions: seccomp.ArgumentConditions{
				{Argument: argument, Operation: seccomp.BitsSet, Value: toWrite},
			}})
		}
	}
	return calls
}

// known leaves out the calls that the architecture does not have: arm64 lacks the old ones.
func known(machine *arch.Info, names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, ok := machine.SyscallNames[name]
		return !ok
	})
}
