// Command bench has the parts of `make bench` besides the agent, toxiproxy and HAProxy: the service, two peers
// and the clients. Everything runs on loopback. A client prints JSON.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

const usage = `bench: a service, peers of the agent, and clients that measure them

  bench serve ADDRESS...                       the service
  bench relay LISTEN UPSTREAM                  a plain TCP relay, io.Copy both ways
  bench reverseproxy LISTEN UPSTREAM           net/http/httputil.ReverseProxy
  bench drive [flags] ADDRESS PATH             closed loop on keep-alive connections
  bench download ADDRESS PATH                  one body, from one connection
  bench first STATUS ADDRESS PATH              when busy keep-alive clients got the first such answer
  bench hold N ADDRESS PATH                    N idle keep-alive connections, until stdin ends
`

func main() {
	if len(os.Args) < 3 {
		fail(usage)
	}
	run, known := map[string]func([]string) error{
		"serve": serve, "relay": relay, "reverseproxy": reverseProxy,
		"drive": drive, "download": download, "first": first, "hold": hold,
	}[os.Args[1]]
	if !known {
		fail(usage)
	}
	if err := run(os.Args[2:]); err != nil {
		fail(fmt.Sprintf("bench %s: %v\n", os.Args[1], err))
	}
}

func fail(why string) {
	fmt.Fprint(os.Stderr, why)
	os.Exit(1)
}

func report(result any) error { return json.NewEncoder(os.Stdout).Encode(result) }
