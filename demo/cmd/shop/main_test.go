package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asShop makes this test binary run as the shop. So the tests have real processes and signals without a second build.
const asShop = "RUN_AS_SHOP"

func TestMain(m *testing.M) {
	if os.Getenv(asShop) != "" {
		go endWithTheTest()
		main()
	}
	os.Exit(m.Run())
}

// endWithTheTest ends a shop when the test that started it is gone, in whatever way: the test holds
// the other end of stdin.
func endWithTheTest() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(3)
}

// shopCommand prepares a shop that ends with its test.
func shopCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), asShop+"=1")
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// start runs a role on a free port and returns its address, which it reads from the first line of stderr.
func start(t *testing.T, args ...string) (*exec.Cmd, string) {
	t.Helper()
	return startInto(t, io.Discard, args...)
}

// startInto is start; the role writes its stdout to a writer.
func startInto(t *testing.T, stdout io.Writer, args ...string) (*exec.Cmd, string) {
	t.Helper()
	cmd := shopCommand(t, append(args, "--listen", "127.0.0.1:0")...)
	cmd.Stdout = stdout
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // the same
	})
	lines := bufio.NewReader(stderr)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("no first line on stderr: %v", err)
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	address, found := strings.CutPrefix(strings.TrimSpace(line), "shop "+args[0]+": listening on ")
	if !found {
		t.Fatalf("first line %q", line)
	}
	return cmd, address
}

func get(url string) (string, error) {
	response, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func waitUntil(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// terminate sends SIGTERM while a request is in flight. It returns the answer to that request and how the process
// ended.
func terminate(t *testing.T, args ...string) (answer string, answerErr, exitErr error) {
	t.Helper()
	cmd, address := start(t, append(args, "--latency", "1s", "--tail", "1s")...)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		answer, answerErr = get("http://" + address + "/api/v1/users/42")
	}()
	waitUntil(t, "a request in flight", func() bool {
		metrics, err := get("http://" + address + "/metrics")
		return err == nil && strings.Contains(metrics, "shop_http_requests_in_flight 1")
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-answered
	exitErr = cmd.Wait()
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Errorf("%s still answers after the end", address)
	}
	return answer, answerErr, exitErr
}

func TestSIGTERMFinishesRequestsInFlight(t *testing.T) {
	answer, answerErr, exitErr := terminate(t, "users")
	if answerErr != nil || !strings.Contains(answer, `"id":"42"`) {
		t.Errorf("got %q, %v; want the whole answer", answer, answerErr)
	}
	if exitErr != nil {
		t.Errorf("got %v, want exit code 0", exitErr)
	}
}

func TestAbruptShutdownBreaksRequestsInFlight(t *testing.T) {
	answer, answerErr, exitErr := terminate(t, "users", "--bad", "abrupt-shutdown")
	if answerErr == nil {
		t.Errorf("got the answer %q, want a broken connection", answer)
	}
	if exitErr == nil {
		t.Error("got exit code 0, want death by SIGTERM")
	}
}

func TestAPortInUseIsAClearError(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	output, err := shopCommand(t, "risk", "--listen", taken.Addr().String()).CombinedOutput()
	exit, failed := errors.AsType[*exec.ExitError](err)
	if !failed || exit.ExitCode() != 1 {
		t.Errorf("got %v, want exit code 1", err)
	}
	for _, want := range []string{"shop risk: cannot listen", taken.Addr().String(), "address already in use", "give another"} {
		if !strings.Contains(string(output), want) {
			t.Errorf("%q lacks %q", output, want)
		}
	}
}

func TestTheWholeShopAsProcesses(t *testing.T) {
	_, users := start(t, "users")
	_, risk := start(t, "risk")
	_, checkout := start(t, "checkout", "--users-url", "http://"+users, "--risk-url", "http://"+risk, "--risk-timeout", "5s")
	_, gateway := start(t, "gateway", "--users-url", "http://"+users, "--checkout-url", "http://"+checkout)
	response, err := http.Post("http://"+gateway+"/checkout", "application/json", strings.NewReader(`{"user_id":"42","amount":19.9}`))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if want := `{"decision":"approve","reason":"ok"}`; err != nil || strings.TrimSpace(string(body)) != want {
		t.Errorf("got %d %s, %v; want %s", response.StatusCode, body, err, want)
	}
}
