package shop

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
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
	grace    time.Duration
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
	if err := cmd.run(stderr); err != nil {
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
	if err == nil && cmd.grace <= 0 {
		err = fmt.Errorf("--shutdown-grace %s is not above 0; give one such as 10s", cmd.grace)
	}
	if err == nil {
		err = cmd.settings.check()
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		err = fmt.Errorf("shop %s: %w (shop %s --help shows all flags)", cmd.role.name, err, cmd.role.name)
	}
	return cmd, err
}

func newCommand(name string) (*command, error) {
	for _, candidate := range roles {
		if candidate.name != name {
			continue
		}
		cmd := &command{role: candidate, settings: candidate.settings(), flags: flag.NewFlagSet(name, flag.ContinueOnError)}
		cmd.flags.SetOutput(io.Discard) // Main prints the errors
		cmd.flags.StringVar(&cmd.listen, "listen", candidate.listen, "listen on this `address`")
		cmd.flags.DurationVar(&cmd.grace, "shutdown-grace", defaultGrace, "after SIGTERM, `time` to finish the requests in flight")
		cmd.bad = variants{role: name, allowed: candidate.variants}
		cmd.flags.Var(&cmd.bad, "bad", "bad variants, a comma-separated `list` of: "+join(candidate.variants))
		cmd.settings.register(cmd.flags)
		return cmd, nil
	}
	return nil, fmt.Errorf("shop: no role %q; give one of: %s", name, roleNames())
}

// handler builds the service. With dial nil it uses the real network.
func (c *command) handler(dial upstream.DialFunc) http.Handler {
	registry := server.NewRegistry()
	routes := c.settings.routes(environment{bad: c.bad, registry: registry, dial: dial})
	if c.bad.has(leakGoroutines) {
		for pattern, handler := range routes {
			routes[pattern] = server.Leaky(handler)
		}
	}
	return server.Handler(c.role.name, routes, registry)
}

// run serves until SIGTERM or SIGINT. The variant abrupt-shutdown does not handle these signals, so that the Go runtime
// ends the process at once.
func (c *command) run(stderr io.Writer) error {
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
	return server.Serve(ctx, listener, c.handler(nil), c.grace)
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
