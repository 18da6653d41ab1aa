// Command chaos-agent holds faults in Go services, and drives load, for as long as its control
// plane wants it.
package main

import (
	"os"

	"chaosgo/agent/internal/command"

	// Every fault kind registers itself; this list is all that the program knows of them.
	_ "chaosgo/agent/internal/httpfault"
)

func main() {
	os.Exit(command.Run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
