package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const usersRoute = "GET /api/v1/users/{id}"

// counts reads the line that a role prints at its end.
func counts(t *testing.T, stdout *bytes.Buffer) map[string]map[string]uint64 {
	t.Helper()
	var line struct {
		Role     string
		Requests map[string]map[string]uint64
	}
	if err := json.Unmarshal(stdout.Bytes(), &line); err != nil || line.Role != "users" {
		t.Fatalf("the last line is %q: %v", stdout, err)
	}
	return line.Requests
}

// clients send requests, four at a time on kept connections, until they are stopped.
type clients struct {
	answered atomic.Int64
	stop     chan struct{}
	ended    sync.WaitGroup
}

func startClients(t *testing.T, url string) *clients {
	c := &clients{stop: make(chan struct{})}
	for range 4 {
		c.ended.Go(func() {
			for {
				select {
				case <-c.stop:
					return
				default:
				}
				if body, err := get(url); err != nil || body[0] != '{' {
					t.Errorf("request %d was lost: %q, %v", c.answered.Load()+1, body, err)
					return
				}
				c.answered.Add(1)
			}
		})
	}
	return c
}

func TestALameDuckLosesNoRequestAndCountsThemAll(t *testing.T) {
	var stdout bytes.Buffer
	cmd, address := startInto(t, &stdout, "users", "--latency", "1ms", "--tail", "1ms", "--lame-duck", "1s")
	load := startClients(t, "http://"+address+"/api/v1/users/42")
	waitUntil(t, "100 answers", func() bool { return load.answered.Load() > 100 })
	began := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "not ready", func() bool { return status(t, address, "/readyz") == "503 closes" })
	if waited := time.Since(began); waited > 500*time.Millisecond {
		t.Errorf("it was ready for %s after SIGTERM", waited)
	}
	before := load.answered.Load()
	time.Sleep(300 * time.Millisecond) // as long as the clients of a Service may need to learn of it
	if got := status(t, address, "/healthz"); got != "200 closes" {
		t.Errorf("/healthz answers %q", got)
	}
	close(load.stop)
	load.ended.Wait()
	if load.answered.Load() == before {
		t.Error("nothing was answered in the lame duck time")
	}
	if err := cmd.Wait(); err != nil || time.Since(began) < time.Second {
		t.Errorf("ended after %s with %v, want exit code 0 after 1 s", time.Since(began), err)
	}
	if got := counts(t, &stdout); len(got) != 1 || got[usersRoute]["200"] != uint64(load.answered.Load()) {
		t.Errorf("the role counted %v, the clients %d", got, load.answered.Load())
	}
}

// status gives the code of an answer, and whether its connection is closed.
func status(t *testing.T, address, path string) string {
	t.Helper()
	response, err := http.Get("http://" + address + path)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	end := map[bool]string{true: "closes", false: "stays open"}[response.Close]
	return fmt.Sprint(response.StatusCode, " ", end)
}

func TestWithoutALameDuckClientsLoseRequests(t *testing.T) {
	cmd, address := start(t, "users", "--latency", "0", "--tail", "0")
	if got := status(t, address, "/readyz"); got != "200 stays open" {
		t.Errorf("/readyz answers %q", got)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "refused", func() bool { _, err := get("http://" + address + "/readyz"); return err != nil })
	if err := cmd.Wait(); err != nil {
		t.Errorf("got %v, want exit code 0", err)
	}
}
