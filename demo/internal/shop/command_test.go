package shop

import (
	"bytes"
	"strings"
	"testing"
)

func TestWrongCommandLinesSayWhatAndHow(t *testing.T) {
	for line, wants := range map[string][]string{
		"":                                    {"no role given", "gateway, checkout, users, risk"},
		"cashier":                             {`no role "cashier"`, "gateway, checkout, users, risk"},
		"users --colour red":                  {"not defined: -colour", "shop users --help"},
		"users extra":                         {`unexpected argument "extra"`, "--listen"},
		"users --latency fast":                {`invalid value "fast" for flag -latency`, "shop users --help"},
		"users --latency -1ms":                {"--latency -1ms is negative", "such as 4ms"},
		"users --latency 9ms --tail 2ms":      {"--tail 2ms is below --latency 9ms"},
		"users --warm-up -1s":                 {"--warm-up -1s is negative", "such as 5s"},
		"users --lame-duck -1s":               {"--lame-duck -1s is negative", "such as 3s"},
		"users --shutdown-grace 0s":           {"--shutdown-grace 0s is not above 0", "such as 10s"},
		"risk --max-amount 0":                 {"--max-amount 0 is not above 0"},
		"checkout --attempts 0":               {"--attempts 0 is not in 1..20"},
		"checkout --attempts 21":              {"--attempts 21 is not in 1..20"},
		"checkout --retry-ratio NaN":          {"--retry-ratio NaN is not in 0..20"},
		"checkout --retry-floor -1":           {"--retry-floor -1 is negative"},
		"checkout --risk-timeout 0s":          {"--risk-timeout 0s is not above 0", "such as 300ms"},
		"checkout --max-connection-age -1s":   {"--max-connection-age -1s is negative"},
		"checkout --users-url localhost:8082": {`"localhost:8082"`, "such as http://127.0.0.1:8082"},
		"checkout --users-url http://u/api":   {`"http://u/api"`, "without a path"},
		"gateway --checkout-timeout -2s":      {"--checkout-timeout -2s is not above 0"},
		"checkout --bad no-coffee":            {`"no-coffee"`, "no-breaker, no-retry, no-timeout, retry-storm"},
		"checkout --bad no-retry,":            {`no bad variant ""`, "retry-storm"},
		"users --bad no-retry":                {`"no-retry" changes nothing in users`, "abrupt-shutdown, leak-goroutines"},
		"checkout --bad no-retry,retry-storm": {"exclude each other"},
	} {
		var stdout, stderr bytes.Buffer
		if code := Main(strings.Fields(line), &stdout, &stderr); code != exitUsage {
			t.Errorf("%q: exit code %d, want %d", line, code, exitUsage)
		}
		for _, want := range wants {
			if !strings.Contains(stderr.String(), want) {
				t.Errorf("%q: %q does not contain %q", line, stderr.String(), want)
			}
		}
		if strings.Count(stderr.String(), "\n") != 1 || stdout.Len() > 0 {
			t.Errorf("%q: want one line on stderr only, got %q and %q", line, stderr.String(), stdout.String())
		}
	}
}

func TestHelpNamesEveryFlag(t *testing.T) {
	for _, known := range roles {
		var stdout, stderr bytes.Buffer
		if code := Main([]string{known.name, "--help"}, &stdout, &stderr); code != exitOK || stderr.Len() > 0 {
			t.Errorf("%s: exit code %d, stderr %q", known.name, code, stderr.String())
		}
		for _, want := range []string{"--listen", "--bad", "--shutdown-grace", "--warm-up", "--lame-duck", known.listen, join(known.variants)} {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("help of %s lacks %q", known.name, want)
			}
		}
	}
	var stdout bytes.Buffer
	if code := Main([]string{"--help"}, &stdout, &stdout); code != exitOK || !strings.Contains(stdout.String(), "risk") {
		t.Errorf("shop --help: exit code %d, %q", code, stdout.String())
	}
}

func TestBadMayBeRepeated(t *testing.T) {
	cmd, err := parse(strings.Fields("checkout --bad no-retry,no-breaker --bad no-timeout"))
	if err != nil {
		t.Fatal(err)
	}
	if got := cmd.bad.String(); got != "no-breaker, no-retry, no-timeout" {
		t.Errorf("got %q", got)
	}
}
