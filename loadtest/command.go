package loadtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Exit statuses of [Command].
const (
	ExitOK     = 0
	ExitMissed = 1 // an expectation was missed, or the run was interrupted
	ExitUsage  = 2 // nothing was run
)

// Command is the command line: it runs one scenario, writes the report as text
// to stdout and, when asked for, as JSON to a file, and returns the exit status.
func Command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parseOptions(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return ExitOK
	}
	if err != nil {
		say(stderr, "loadtest: ", err)
		return ExitUsage
	}
	scenario, err := LoadScenario(opts.file)
	if err != nil {
		say(stderr, "loadtest: ", err)
		return ExitUsage
	}
	if opts.duration > 0 {
		scenario.Duration = opts.duration
	}
	plan, err := scenario.Plan(opts.targets...)
	if err != nil {
		say(stderr, "loadtest: ", err)
		return ExitUsage
	}
	client := scenario.NewClient()
	defer client.Close()
	report, err := Run(ctx, plan, client)
	if err != nil && report.Sent == 0 {
		say(stderr, "loadtest: ", err)
		return ExitUsage
	}
	report.Scenario = scenario.Name
	report.Expectations = scenario.Expect.Check(report)
	if err := errors.Join(err, report.WriteText(stdout), opts.writeJSON(report)); err != nil {
		say(stderr, "loadtest: ", err)
		return ExitMissed
	}
	if !report.OK() {
		return ExitMissed
	}
	return ExitOK
}

// say writes a line for a person. Who does not listen has no use for an error.
func say(w io.Writer, words ...any) { _, _ = fmt.Fprintln(w, fmt.Sprint(words...)) }

type options struct {
	file     string
	json     string
	targets  targetList
	duration time.Duration
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("loadtest", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.file, "f", "", "scenario `file` (YAML)")
	flags.StringVar(&o.json, "json", "", "write the report as JSON to `file`")
	flags.DurationVar(&o.duration, "duration", 0, "length of the window, instead of the scenario's")
	flags.Var(&o.targets, "target", "base `URL` such as http://127.0.0.1:3000, instead of the scenario's; may be given several times")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(stderr)
		say(stderr, "usage: loadtest -f scenario.yaml [-target URL]... [-duration D] [-json FILE]")
		flags.PrintDefaults()
		return o, err
	case err != nil:
		return o, err
	case flags.NArg() > 0:
		return o, fmt.Errorf("argument %q is not understood; a scenario is given by -f", flags.Arg(0))
	case o.file == "":
		return o, errors.New("no scenario: give a file by -f")
	case o.duration < 0:
		return o, fmt.Errorf("-duration is %v, want more than 0", o.duration)
	}
	return o, nil
}

func (o options) writeJSON(r Report) error {
	if o.json == "" {
		return nil
	}
	file, err := os.Create(o.json)
	if err != nil {
		return err
	}
	return errors.Join(r.WriteJSON(file), file.Close())
}

// targetList is a flag that may be given several times.
type targetList []string

// String implements [flag.Value].
func (t *targetList) String() string { return strings.Join(*t, ",") }

// Set implements [flag.Value].
func (t *targetList) Set(value string) error {
	if _, err := ParseTarget(value); err != nil {
		return err
	}
	*t = append(*t, value)
	return nil
}
