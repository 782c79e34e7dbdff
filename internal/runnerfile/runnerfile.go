// Package runnerfile reads ekiben.yaml, the file that says which runners there
// are. It is read strictly: a field that does not exist is an error with its
// line.
package runnerfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/ekiben/ekiben/runnables"
)

// file is ekiben.yaml.
type file struct {
	Runners   []*entry         `yaml:"runners"`
	Schedules []*scheduleEntry `yaml:"schedules"`
}

// entry is one runner in it. What is not given is nil, so that 0 can be told
// from nothing.
type entry struct {
	Name                  string         `yaml:"name"`
	Runnable              string         `yaml:"runnable"`
	Init                  map[string]any `yaml:"init"`
	CPU                   any            `yaml:"cpu"`
	NvidiaGPU             any            `yaml:"nvidia_gpu"`
	Replicas              *int           `yaml:"replicas"`
	MaxBatchSize          *int           `yaml:"max_batch_size"`
	MaxLatencyMS          *float64       `yaml:"max_latency_ms"`
	Batching              string         `yaml:"batching"`
	MaxQueue              *int           `yaml:"max_queue"`
	MaxQueueBytes         *int64         `yaml:"max_queue_bytes"`
	MaxConcurrency        int            `yaml:"max_concurrency"`
	FromZero              bool           `yaml:"from_zero"`
	Retry                 *retryEntry    `yaml:"retry"`
	RunnableMethodConfigs []methodEntry  `yaml:"runnable_method_configs"`
}

type methodEntry struct {
	Name         string   `yaml:"name"`
	MethodName   string   `yaml:"method_name"`
	MaxBatchSize *int     `yaml:"max_batch_size"`
	MaxLatencyMS *float64 `yaml:"max_latency_ms"`
}

type retryEntry struct {
	Attempts     int    `yaml:"attempts"`
	BackoffMS    *int64 `yaml:"backoff_ms"`
	MaxBackoffMS *int64 `yaml:"max_backoff_ms"`
}

// Warning is something in the file that has no effect.
type Warning struct{ Runner, Message string }

// Read reads and checks the runners in a file. The errors name everything that
// is wrong, and where.
func Read(path string) ([]runnables.Runner, []Warning, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("runners file: %w", err)
	}
	runners, warnings, err := Parse(data)
	if err != nil {
		return nil, nil, fmt.Errorf("runners file %s: %w", path, err)
	}
	return runners, warnings, nil
}

// Parse is [Read] of a file's content.
func Parse(data []byte) ([]runnables.Runner, []Warning, error) {
	f, err := decode(data)
	if err != nil {
		return nil, nil, err
	}
	var runners []runnables.Runner
	var warnings []Warning
	_, err = f.schedules()
	errs := []error{err}
	seen := map[string]bool{}
	for i, e := range f.Runners {
		if e == nil {
			errs = append(errs, fmt.Errorf("runner %d is empty", i+1))
			continue
		}
		r, err := e.runner()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if seen[r.Name] {
			errs = append(errs, fmt.Errorf("runner %q is there twice", r.Name))
		}
		seen[r.Name] = true
		if e.CPU != nil || e.NvidiaGPU != nil {
			warnings = append(warnings, Warning{r.Name, "cpu and nvidia_gpu are read and not yet acted on; replicas sets the number of instances"})
		}
		runners = append(runners, r)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, nil, err
	}
	return runners, warnings, nil
}

// decode reads the file, strictly.
func decode(data []byte) (file, error) {
	var f file
	dec := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict())
	if err := dec.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return file{}, fmt.Errorf("%s", yaml.FormatError(err, false, true))
	}
	if err := dec.Decode(new(any)); !errors.Is(err, io.EOF) {
		return file{}, errors.New("there is a second document, after ---; the file must have one")
	}
	return f, nil
}

func (e entry) runner() (runnables.Runner, error) {
	r := runnables.Runner{
		Name: e.Name, Runnable: e.Runnable, Init: e.Init, Batching: runnables.BatchPolicy(e.Batching), FromZero: e.FromZero,
		MaxConcurrency: e.MaxConcurrency,
	}
	var errs []error
	positive(&errs, "replicas", e.Replicas, &r.Replicas)
	positive(&errs, "max_batch_size", e.MaxBatchSize, &r.MaxBatchSize)
	positive(&errs, "max_queue", e.MaxQueue, &r.MaxQueue)
	positive(&errs, "max_queue_bytes", e.MaxQueueBytes, &r.MaxQueueBytes)
	latency(&errs, e.MaxLatencyMS, &r.MaxLatency)
	r.Retry = e.Retry.policy(&errs)
	if strings.HasPrefix(e.Name, runnables.ReservedPrefix) {
		errs = append(errs, fmt.Errorf("names that begin with %s are those of services", runnables.ReservedPrefix))
	}
	for _, m := range e.RunnableMethodConfigs {
		limits := runnables.MethodLimits{Name: m.Name}
		if limits.Name == "" {
			limits.Name = m.MethodName
		}
		positive(&errs, "max_batch_size of method "+limits.Name, m.MaxBatchSize, &limits.MaxBatchSize)
		latency(&errs, m.MaxLatencyMS, &limits.MaxLatency)
		r.Methods = append(r.Methods, limits)
	}
	r = r.WithDefaults()
	if len(errs) > 0 {
		return r, fmt.Errorf("runner %q: %w", e.Name, errors.Join(errs...))
	}
	return r, r.Validate()
}

func (e *retryEntry) policy(errs *[]error) runnables.RetryPolicy {
	if e == nil {
		return runnables.RetryPolicy{}
	}
	p := runnables.RetryPolicy{Attempts: e.Attempts}
	for _, f := range []struct {
		name  string
		given *int64
		into  *time.Duration
	}{{"backoff_ms", e.BackoffMS, &p.Backoff}, {"max_backoff_ms", e.MaxBackoffMS, &p.MaxBackoff}} {
		ms := int64(0)
		positive(errs, "retry: "+f.name, f.given, &ms)
		*f.into = time.Duration(min(ms, mostMS+1)) * time.Millisecond // beyond it Validate says no
	}
	return p
}

// mostMS is the longest time in the file, a day.
const mostMS = 24 * 60 * 60 * 1000

func positive[T int | int64](errs *[]error, name string, given, into *T) {
	if given == nil {
		return
	}
	if *given < 1 {
		*errs = append(*errs, fmt.Errorf("%s is %d, want at least 1", name, *given))
	}
	*into = *given
}

// latency reads milliseconds; 0 means not to wait.
func latency(errs *[]error, ms *float64, into *time.Duration) {
	if ms == nil {
		return
	}
	if !(*ms >= 0 && *ms <= mostMS) {
		*errs = append(*errs, fmt.Errorf("max_latency_ms is %v, want 0 to %d", *ms, mostMS))
		return
	}
	*into = time.Duration(*ms * float64(time.Millisecond))
	if *into == 0 {
		*into = -1
	}
}
