package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chaosgo/demo/internal/pipenet"
)

func read(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", response.StatusCode, body)
}

func TestWhatEveryRoleAnswers(t *testing.T) {
	tea := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	server := httptest.NewServer(New("kitchen", map[string]http.Handler{"GET /tea/{kind}": tea}, NewRegistry(), 0))
	defer server.Close()
	read(t, server.URL+"/tea/green")
	read(t, server.URL+"/tea/black")
	read(t, server.URL+"/coffee")
	for path, wants := range map[string][]string{
		"/healthz": {`200 {"status":"ok","role":"kitchen"}`},
		"/readyz":  {`200 {"status":"ready"}`},
		"/metrics": {
			`shop_http_request_duration_seconds_count{code="418",route="GET /tea/{kind}"} 2`,
			`shop_http_request_duration_seconds_count{code="404",route="unmatched"} 1`,
			"shop_http_requests_in_flight 0", "go_goroutines ", "process_open_fds ",
		},
		"/debug/pprof/goroutine?debug=1": {"goroutine profile: total"},
		"/debug/pprof/cmdline":           {"200 "},
	} {
		got := read(t, server.URL+path)
		for _, want := range wants {
			if !strings.Contains(got, want) {
				t.Errorf("%s lacks %q", path, want)
			}
		}
	}
}

// endDuring requests an answer that takes 3 s, and ends the server after 1 s.
func endDuring(t *testing.T, grace time.Duration) (answer string, served error) {
	synctest.Test(t, func(t *testing.T) {
		network := pipenet.New()
		slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(3 * time.Second)
			fmt.Fprint(w, "done")
		})
		ctx, end := context.WithCancel(t.Context())
		done := make(chan error, 1)
		listener := network.Listen("kitchen")
		service := New("kitchen", map[string]http.Handler{"/": slow}, NewRegistry(), 0)
		go func() { done <- service.Serve(ctx, listener, Ending{Grace: grace}) }()
		time.AfterFunc(time.Second, end)
		client := &http.Client{Transport: &http.Transport{DialContext: network.Dial}}
		response, err := client.Get("http://kitchen/")
		if err == nil {
			body, readErr := io.ReadAll(response.Body)
			response.Body.Close()
			answer, err = string(body), readErr
		}
		if err != nil {
			answer = "broken"
		}
		served = <-done
		if _, err := client.Get("http://kitchen/"); err == nil {
			t.Error("still listening after the end")
		}
		time.Sleep(5 * time.Second) // until the handler of the cut request has ended
	})
	return answer, served
}

func TestServeFinishesRequestsInFlight(t *testing.T) {
	if answer, err := endDuring(t, 10*time.Second); answer != "done" || err != nil {
		t.Errorf("got %q, %v; want the whole answer and a clean end", answer, err)
	}
}

func TestServeCutsRequestsThatOutlastTheGrace(t *testing.T) {
	answer, err := endDuring(t, time.Second)
	if answer != "broken" || err == nil || !strings.Contains(err.Error(), "--shutdown-grace 1s") {
		t.Errorf("got %q, %v; want a cut request and an error that names the grace", answer, err)
	}
}

func TestARoleThatWarmsUpIsAliveButNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tea := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "tea") })
		service := New("kitchen", map[string]http.Handler{"GET /tea": tea}, NewRegistry(), 3*time.Second)
		expect := func(want map[string]string) {
			t.Helper()
			for path, answer := range want {
				recorder := httptest.NewRecorder()
				service.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
				if got := fmt.Sprintf("%d %s", recorder.Code, recorder.Body); !strings.HasPrefix(got, answer) {
					t.Errorf("%s: got %q, want %q", path, got, answer)
				}
			}
		}
		time.Sleep(3*time.Second - time.Millisecond)
		expect(map[string]string{"/healthz": "200", "/readyz": `503 {"status":"warming up"}`, "/tea": `503 {"error":"warming-up"`})
		time.Sleep(time.Millisecond)
		expect(map[string]string{"/healthz": "200", "/readyz": `200 {"status":"ready"}`, "/tea": "200 tea"})
		counts, err := service.Counts()
		if want := map[string]map[string]uint64{"GET /tea": {"200": 1, "503": 1}}; err != nil || !reflect.DeepEqual(counts, want) {
			t.Errorf("got %v, %v; want %v", counts, err, want)
		}
	})
}

func TestAnAnswerThatIsCutCountsAsAborted(t *testing.T) {
	half := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	service := New("kitchen", map[string]http.Handler{"GET /tea": half}, NewRegistry(), 0)
	server := httptest.NewServer(service)
	response, err := http.Get(server.URL + "/tea")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("got the whole answer %q, want half of it", body)
	}
	server.Close() // waits for the handler
	if counts, err := service.Counts(); err != nil || counts["GET /tea"][aborted] != 1 {
		t.Errorf("got %v, %v; want one aborted", counts, err)
	}
}
