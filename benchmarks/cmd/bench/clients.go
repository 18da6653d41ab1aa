package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"
)

const (
	// busyClients and betweenRequests define the traffic while first waits for a fault: about 3,000
	// requests/s on keep-alive connections.
	busyClients     = 16
	betweenRequests = 5 * time.Millisecond
	// patience is how long first waits for a fault.
	patience = 20 * time.Second
)

// first prints a line when its clients are running, and another with the time of the first answer of a status.
func first(args []string) error {
	if len(args) != 3 {
		return errors.New("give STATUS ADDRESS PATH")
	}
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("status %q: %w", args[0], err)
	}
	seen, failed := make(chan time.Time, busyClients), make(chan error, busyClients)
	var running sync.WaitGroup
	running.Add(busyClients)
	for range busyClients {
		go watch(want, args[1], args[2], running.Done, seen, failed)
	}
	running.Wait()
	fmt.Println(`{"running":true}`)
	select {
	case at := <-seen:
		return report(map[string]float64{"at_unix_s": float64(at.UnixNano()) / 1e9})
	case err := <-failed:
		return err
	case <-time.After(patience):
		return fmt.Errorf("no answer %d within %v", want, patience)
	}
}

// watch sends requests one after the other, on a new connection only when the service has closed the old one.
func watch(want int, address, path string, running func(), seen chan<- time.Time, failed chan<- error) {
	var c *connection
	for n := 0; ; n++ {
		var err error
		if c == nil {
			c, err = dial(address, path)
		}
		status := 0
		if err == nil {
			status, err = c.ask()
		}
		switch {
		case err != nil:
			failed <- err
			return
		case status == want:
			seen <- time.Now()
			return
		case n == 0:
			running()
		}
		if c.last {
			c.Close() //nolint:errcheck // the answer has been read
			c = nil
		}
		time.Sleep(betweenRequests)
	}
}

// hold opens connections, sends one request on each, and keeps them open until stdin ends.
func hold(args []string) error {
	if len(args) != 3 {
		return errors.New("give N ADDRESS PATH")
	}
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("connections %q: %w", args[0], err)
	}
	open := make([]*connection, 0, n)
	for len(open) < n {
		c, err := dial(args[1], args[2])
		if err != nil {
			return fmt.Errorf("connection %d: %w", len(open)+1, err)
		}
		if status, err := c.ask(); err != nil || status != 200 {
			return fmt.Errorf("connection %d: status %d, %w", len(open)+1, status, err)
		}
		open = append(open, c)
	}
	if err := report(map[string]int{"open": len(open)}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
