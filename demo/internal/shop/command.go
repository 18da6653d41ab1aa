package shop

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"chaosgo/demo/internal/server"
	"chaosgo/demo/internal/upstream"
)

// Exit codes of the process.
const (
	exitOK     = 0
	exitFailed = 1 // could not listen, or requests were cut at the end
	exitUsage  = 2 // unknown role, flag or value
)

const defaultGrace = 10 * time.Second

// command is a parsed command line.
type command struct {
	role     role
	settings settings
	flags    *flag.FlagSet
	listen   string
	warmUp   time.Duration
	ending   server.Ending
	bad      variants
}

// Main runs the command line args (without the program's name) and returns the exit code of the process.
func Main(args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && isHelp(args[0]) {
		printRoles(stdout)
		return exitOK
	}
	cmd, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		cmd.printHelp(stdout)
		return exitOK
	case err != nil:
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	if err := cmd.run(stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "shop %s: %v\n", cmd.role.name, err)
		return exitFailed
	}
	return exitOK
}

func isHelp(word string) bool {
	return word == "--help" || word == "-help" || word == "-h" || word == "help"
}

// parse reads "ROLE [flags]". The error is flag.ErrHelp for --help; any other error is one line for the user.
func parse(args []string) (*command, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("shop: no role given; give one of: %s", roleNames())
	}
	cmd, err := newCommand(args[0])
	if err != nil {
		return nil, err
	}
	err = cmd.flags.Parse(args[1:])
	if err == nil && cmd.flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q; flags look like --listen 127.0.0.1:8080", cmd.flags.Arg(0))
	}
	if err == nil {
		err = cmd.check()
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		err = fmt.Errorf("shop %s: %w (shop %s --help shows all flags)", cmd.role.name, err, cmd.role.name)
	}
	return cmd, err
}

func (c *command) check() error {
	switch {
	case c.warmUp < 0:
		return fmt.Errorf("--warm-up %s is negative; give one such as 5s", c.warmUp)
	case c.ending.LameDuck < 0:
		return fmt.Errorf("--lame-duck %s is negative; give one such as 3s", c.ending.LameDuck)
	case c.ending.Grace <= 0:
		return fmt.Errorf("--shutdown-grace %s is not above 0; give one such as 10s", c.ending.Grace)
	}
	return c.settings.check()
}

func newCommand(name string) (*command, error) {
	for _, candidate := range roles {
		if candidate.name != name {
			continue
		}
		cmd := &command{role: candidate, settings: candidate.settings(), flags: flag.NewFlagSet(name, flag.ContinueOnError)}
		cmd.flags.SetOutput(io.Discard) // Main prints the errors
		cmd.flags.StringVar(&cmd.listen, "listen", candidate.listen, "listen on this `address`")
		cmd.flags.DurationVar(&cmd.warmUp, "warm-up", 0, "after the start, `time` in which it answers 503 and is not ready")
		cmd.flags.DurationVar(&cmd.ending.LameDuck, "lame-duck", 0, "after SIGTERM, `time` in which it still serves but is not ready")
		cmd.flags.DurationVar(&cmd.ending.Grace, "shutdown-grace", defaultGrace, "after that, `time` to finish the requests in flight")
		cmd.bad = variants{role: name, allowed: candidate.variants}
		cmd.flags.Var(&cmd.bad, "bad", "bad variants, a comma-separated `list` of: "+join(candidate.variants))
		cmd.settings.register(cmd.flags)
		return cmd, nil
	}
	return nil, fmt.Errorf("shop: no role %q; give one of: %s", name, roleNames())
}

// service builds the service. With dial nil it uses the real network.
func (c *command) service(dial upstream.DialFunc) *server.Service {
	registry := server.NewRegistry()
	routes := c.settings.routes(environment{bad: c.bad, registry: registry, dial: dial})
	if c.bad.has(leakGoroutines) {
		for pattern, handler := range routes {
			routes[pattern] = server.Leaky(handler)
		}
	}
	return server.New(c.role.name, routes, registry, c.warmUp)
}

// run serves until SIGTERM or SIGINT, and then prints the number of requests. The variant abrupt-shutdown does not
// handle these signals, so that the Go runtime ends the process at once, without this line.
func (c *command) run(stdout, stderr io.Writer) error {
	listener, err := net.Listen("tcp", c.listen)
	if err != nil {
		return fmt.Errorf("cannot listen on --listen %q: %w; free the port or give another", c.listen, err)
	}
	ctx := context.Background()
	if !c.bad.has(abruptShutdown) {
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
		defer stop()
		context.AfterFunc(ctx, stop) // so that a second signal ends the process at once
	}
	fmt.Fprintf(stderr, "shop %s: listening on %s\n", c.role.name, listener.Addr())
	service := c.service(nil)
	served := service.Serve(ctx, listener, c.ending)
	return errors.Join(served, c.printCounts(stdout, service))
}

// printCounts prints one line of JSON: the number of requests by route and code.
func (c *command) printCounts(stdout io.Writer, service *server.Service) error {
	counts, err := service.Counts()
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(struct {
		Role     string                       `json:"role"`
		Requests map[string]map[string]uint64 `json:"requests"`
	}{c.role.name, counts})
}

func roleNames() string {
	names := make([]string, len(roles))
	for i, known := range roles {
		names[i] = known.name
	}
	return strings.Join(names, ", ")
}

func printRoles(w io.Writer) {
	fmt.Fprintln(w, "shop: a small web shop made of four services, the target of experiments")
	fmt.Fprintln(w, "\nUsage: shop ROLE [flags]        (shop ROLE --help shows the flags)")
	fmt.Fprintln(w, "\nRoles:")
	for _, known := range roles {
		fmt.Fprintf(w, "  %-9s %s (%s)\n", known.name, known.summary, known.listen)
	}
}

func (c *command) printHelp(w io.Writer) {
	fmt.Fprintf(w, "shop %s: %s\n\nUsage: shop %s [flags]\n\nFlags:\n", c.role.name, c.role.summary, c.role.name)
	c.flags.VisitAll(func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f)
		if f.DefValue != "" {
			usage += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(w, "  %-30s %s\n", "--"+f.Name+" "+strings.ToUpper(value), usage)
	})
}
