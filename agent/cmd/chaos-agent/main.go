// Command chaos-agent holds faults in Go services, and drives load, for as long as its control
// plane wants it.
package main

import (
	"os"

	"chaosgo/agent/internal/command"

	// Every kind of fault registers itself, and so does load; this list is all that is known of them.
	_ "chaosgo/agent/internal/httpfault"
	_ "chaosgo/agent/internal/load"
)

func main() {
	os.Exit(command.Run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
