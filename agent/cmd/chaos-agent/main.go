// Command chaos-agent holds faults in Go services, and drives load, for as long as its control
// plane wants it.
package main

import (
	"os"

	"chaosgo/agent/internal/command"

	_ "chaosgo/agent/internal/kinds"
)

func main() {
	os.Exit(command.Run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
