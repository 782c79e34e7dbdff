package bench

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ekiben/ekiben/runnables"
)

// bareWord is the first argument of the process that is the bare server.
const bareWord = "bare-server"

// Exit statuses of [Program.Main].
const (
	exitOK     = 0
	exitMissed = 1 // a target was missed, or something could not be measured
	exitUsage  = 2
)

// Program is the command, with what it takes from the process that it is in.
type Program struct {
	// Self is the path of the running program: it is started again as the bare
	// server.
	Self string

	// Kinds are those that benchmarks 3, 8 and 9 call without the path: sentiment,
	// python and onnx.
	Kinds runnables.Kinds

	Stdout, Stderr io.Writer
}

// Main builds ekiben, runs the benchmarks, writes the table to Stdout and, when
// asked for, into a file, and returns the exit status.
func (p Program) Main(ctx context.Context, args []string) int {
	if len(args) == 2 && args[0] == bareWord {
		p.complain(Bare(ctx, args[1]))
		return exitMissed
	}
	opts, err := parseOptions(args, p.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		p.complain(err)
		return exitUsage
	}
	figures, err := opts.run(ctx, Config{
		Bare: []string{p.Self, bareWord}, Kinds: p.Kinds, Only: opts.only, Scale: opts.scale,
		Log: slog.New(slog.NewTextHandler(p.Stderr, nil)),
	})
	page := opts.page(ctx, figures)
	_, writeErr := io.WriteString(p.Stdout, page)
	if opts.out != "" && len(figures) > 0 {
		writeErr = errors.Join(writeErr, replaceResults(opts.out, page))
	}
	if err = errors.Join(err, writeErr); err != nil {
		p.complain(err)
		return exitMissed
	}
	for _, f := range figures {
		if f.Target != "" && !f.Met {
			return exitMissed
		}
	}
	return exitOK
}

// complain writes an error for a person. Who does not listen has no use for
// another.
func (p Program) complain(err error) { _, _ = fmt.Fprintln(p.Stderr, "bench:", err) }

type options struct {
	binary string
	out    string
	keep   string
	python string
	only   []int
	scale  float64
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	o := options{scale: 1}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.binary, "ekiben", "", "measure this `binary` instead of building ./cmd/ekiben")
	flags.StringVar(&o.out, "out", "", "also write the results into this Markdown `file`, between its result marks")
	flags.StringVar(&o.keep, "keep", "", "keep the logs of all processes in this `folder`")
	flags.StringVar(&o.python, "python", ".tools/python/bin/python", "the `interpreter` of benchmarks 8 and 9, with scikit-learn")
	flags.Func("only", "comma-separated `numbers` of the benchmarks to run, such as 1,4", func(s string) error {
		for field := range strings.SplitSeq(s, ",") {
			n, err := strconv.Atoi(field)
			if err != nil || n < 1 || n > 10 {
				return errors.New("want numbers from 1 to 10")
			}
			o.only = append(o.only, n)
		}
		return nil
	})
	flags.BoolFunc("short", "measure for a few seconds each, for trying out", func(string) error { o.scale = 0.2; return nil })
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(stderr)
		_, _ = fmt.Fprintln(stderr, "usage: bench [-only 1,4] [-short] [-out docs/benchmarks.md] [-ekiben BINARY] [-keep FOLDER]")
		flags.PrintDefaults()
		return o, err
	case err != nil:
		return o, err
	case flags.NArg() > 0:
		return o, fmt.Errorf("argument %q is not understood", flags.Arg(0))
	}
	return o, nil
}

// run builds what is not given and makes a folder for the files of processes.
func (o options) run(ctx context.Context, cfg Config) (figures []Figure, err error) {
	cfg.Ekiben, cfg.Keep, cfg.Root = o.binary, o.keep, "."
	if cfg.Keep == "" {
		if cfg.Keep, err = os.MkdirTemp("", "ekiben-bench-"); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(cfg.Keep)) }()
	}
	if cfg.Keep, err = filepath.Abs(cfg.Keep); err != nil {
		return nil, err
	}
	if cfg.Python, err = filepath.Abs(o.python); err != nil {
		return nil, err
	}
	if cfg.Ekiben == "" {
		cfg.Ekiben = filepath.Join(cfg.Keep, "ekiben")
		build := exec.CommandContext(ctx, "go", "build", "-o", cfg.Ekiben, "./cmd/ekiben")
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build ./cmd/ekiben (run this from the root of the repository): %w\n%s", err, out)
		}
	}
	return Run(ctx, cfg)
}

// page is the table with where and how it was made.
func (o options) page(ctx context.Context, figures []Figure) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Machine: %s.\n", machine(ctx))
	if o.scale != 1 {
		b.WriteString("A short run, for trying out: not to be compared with others.\n")
	}
	b.WriteString("\n")
	_ = writeTable(&b, figures) // a Builder does not fail
	return b.String()
}

// The marks in docs/benchmarks.md between which results stand.
const (
	resultsBegin = "<!-- results: written by loadtest/cmd/bench -->\n"
	resultsEnd   = "<!-- end of results -->\n"
)

// replaceResults writes results between the marks of a file; a file without
// marks gets them at its end.
func replaceResults(path, results string) error {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("results: %w", err)
	}
	head, rest, ok := strings.Cut(string(text), resultsBegin)
	var tail string
	if ok {
		if _, tail, ok = strings.Cut(rest, resultsEnd); !ok {
			return fmt.Errorf("results: %s has a mark of their beginning and none of their end", path)
		}
	} else if head != "" {
		head = strings.TrimRight(head, "\n") + "\n\n"
	}
	return os.WriteFile(path, []byte(head+resultsBegin+"\n"+results+"\n"+resultsEnd+tail), 0o644)
}
