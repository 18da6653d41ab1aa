package shop

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
)

// goroutinesAfter returns by how much 200 requests to users raised the number of goroutines, after it has settled.
func goroutinesAfter(t *testing.T, line string) int {
	cmd, err := parse(strings.Fields(line))
	if err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	server := httptest.NewServer(cmd.service(nil))
	for range 200 {
		response, err := http.Get(server.URL + "/api/v1/users/42")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	server.Close()
	http.DefaultClient.CloseIdleConnections()
	grown := runtime.NumGoroutine() - before
	for deadline := time.Now().Add(5 * time.Second); grown > 0 && grown < 200 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond) // closed connections need a moment to end their goroutines
		grown = runtime.NumGoroutine() - before
	}
	return grown
}

func TestLeakGoroutinesGrowsWithEveryRequest(t *testing.T) {
	if grown := goroutinesAfter(t, quickUsers); grown > 20 {
		t.Errorf("the good variant left %d goroutines behind, want about none", grown)
	}
	if grown := goroutinesAfter(t, quickUsers+" --bad leak-goroutines"); grown < 200 {
		t.Errorf("the leaking variant left %d goroutines behind after 200 requests, want 200", grown)
	}
}
