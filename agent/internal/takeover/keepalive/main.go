// Command keepalive is a service and its clients for tests: clients that hold connections open and
// send requests without a gap, and that know what every answer has to be.
//
//	keepalive serve ADDRESS...
//	keepalive drive URL CONNECTIONS PATH...   until its input ends; then a report as JSON
//	keepalive upload HOST:PORT PATH PIECES    a body of requests, one per segment; says what came back
//	keepalive hold HOST:PORT                  a WebSocket-like and an event stream; proves both per line
package main

import (
	"fmt"
	"os"
	"strconv"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: see the source")
		os.Exit(2)
	}
	switch os.Args[1] {
	case "serve":
		serve(os.Args[2:])
	case "drive":
		n, err := strconv.Atoi(os.Args[3])
		if err != nil {
			panic(err)
		}
		drive(os.Args[2], n, os.Args[4:])
	case "upload":
		n, err := strconv.Atoi(os.Args[4])
		if err != nil {
			panic(err)
		}
		upload(os.Args[2], os.Args[3], n)
	case "hold":
		hold(os.Args[2])
	}
}
