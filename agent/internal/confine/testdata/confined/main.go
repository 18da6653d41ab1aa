// Command confined confines itself and then tries what its argument names; it prints what came of it.
package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"chaosgo/agent/internal/confine"
)

var attempts = map[string]func() error{
	"read":   func() error { _, err := os.ReadFile("/proc/self/status"); return err },
	"listen": func() error { _, err := net.Listen("tcp", "127.0.0.1:0"); return err },
	"write":  func() error { return os.WriteFile(os.Args[2], nil, 0o600) },
	"append": func() error { _, err := os.OpenFile(os.Args[2], os.O_APPEND|os.O_WRONLY, 0); return err },
	"clear":  func() error { _, err := os.OpenFile(os.Args[2], os.O_RDONLY|os.O_TRUNC, 0); return err },
	"remove": func() error { return os.Remove(os.Args[2]) },
	"exec":   func() error { return syscall.Exec("/bin/true", []string{"true"}, nil) },
	"mount":  func() error { return syscall.Mount("none", "/mnt", "tmpfs", 0, "") },
	"twice":  func() error { return confine.Process(confine.Needs{}) },
}

func main() {
	attempt, needed := strings.CutSuffix(os.Args[1], ", needed")
	needs := confine.Needs{Capabilities: confine.Steering}
	if needed {
		needs.Calls = []string{attempt}
	}
	if err := confine.Process(needs); err != nil {
		fmt.Println("not confined:", err)
		return
	}
	fmt.Println(attempts[attempt]())
}
