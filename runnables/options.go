package runnables

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// MaxReplicas is the most instances of a runner in one process.
const MaxReplicas = 1024

// OptionError is one thing that is wrong with the options of a runner.
type OptionError struct {
	// Option is the option's name in runner files, such as max_batch_size.
	Option string
	// Message says what is wrong, and names the option.
	Message string
}

// Error is the message.
func (e *OptionError) Error() string { return e.Message }

// optionErrors collects what is wrong.
type optionErrors []*OptionError

// add says what is wrong with an option, whose name the message begins with.
func (es *optionErrors) add(option, format string, args ...any) {
	*es = append(*es, &OptionError{option, option + fmt.Sprintf(format, args...)})
}

// say says what is wrong with an option in other words.
func (es *optionErrors) say(option, format string, args ...any) {
	*es = append(*es, &OptionError{option, fmt.Sprintf(format, args...)})
}

// Validate reports everything that is wrong with the options, after
// [Runner.WithDefaults]. The error joins those of [Runner.Check].
func (r Runner) Validate() error {
	var errs []error
	for _, e := range r.Check() {
		errs = append(errs, e)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("runner %q: %w", r.Name, err)
	}
	return nil
}

// Check is [Runner.Validate], one option at a time.
func (r Runner) Check() []*OptionError {
	var es optionErrors
	r.checkIdentity(&es)
	r.checkResources(&es)
	r.checkProcess(&es)
	r.checkBatching(&es)
	r.checkQueue(&es)
	return es
}

// checkIdentity is about what the runner is.
func (r Runner) checkIdentity(es *optionErrors) {
	if r.Name == "" {
		es.add("name", " is missing")
	} else if err := ValidName(r.Name); err != nil {
		es.say("name", "%s", err)
	}
	if r.Runnable == "" {
		es.add("runnable", " is missing")
	}
	for i, tag := range r.Models {
		if err := validTag(tag); err != nil {
			es.add("models", ": %s", err)
		}
		if slices.Contains(r.Models[:i], tag) {
			es.add("models", " has %s twice", tag)
		}
	}
}

// resourcePattern is what names of custom resources look like: tpu, amd.com/gpu.
var resourcePattern = regexp.MustCompile(`^[a-zA-Z0-9]([-._/a-zA-Z0-9]*[a-zA-Z0-9])?$`)

// checkResources is about what the instances have, and how many there are.
func (r Runner) checkResources(es *optionErrors) {
	if len(r.CPU.IDs()) > 0 {
		es.add("cpu", ` is %s, want a number of cores, "500m" or "system": cores cannot be chosen`, r.CPU)
	}
	if n := r.NvidiaGPU.Amount(); n != math.Trunc(n) {
		es.add("nvidia_gpu", " is %s, want a whole number: a GPU is not divided, but workers_per_resource: %d has so many instances share each",
			r.NvidiaGPU, int64(max(math.Round(1/n), 2)))
	}
	for _, name := range slices.Sorted(maps.Keys(r.CustomResources)) {
		switch {
		case name == "cpu" || name == "nvidia_gpu" || name == "nvidia.com/gpu":
			es.add("custom_resources", " has %s, which has an option of its own, cpu or nvidia_gpu", name)
		case len(name) > MaxNameLen || !resourcePattern.MatchString(name):
			es.add("custom_resources", ": name %q must match %s and have at most %d characters", name, resourcePattern, MaxNameLen)
		}
	}
	if !(r.WorkersPerResource > 0 && r.WorkersPerResource <= MaxReplicas) {
		es.add("workers_per_resource", " is %v, want a number above 0 and at most %d", r.WorkersPerResource, MaxReplicas)
	}
	if r.Strategy != "" && !isName(r.Strategy) {
		es.add("strategy", " is %q, want a name that matches %s and has at most %d characters", r.Strategy, namePattern, MaxNameLen)
	}
	if r.Replicas < 0 || r.Replicas > MaxReplicas {
		es.add("replicas", " is %d, want 1 to %d", r.Replicas, MaxReplicas)
	}
}

// PythonKind is the name of the kind whose runnables have an interpreter.
const PythonKind = "python"

var variablePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// checkProcess is about where instances live.
func (r Runner) checkProcess(es *optionErrors) {
	switch r.Isolation {
	case IsolationKind, IsolationNone, IsolationProcess:
	default:
		es.add("isolation", " is %q, want none or process", r.Isolation)
	}
	if r.MaxExecution < 0 {
		es.add("max_execution_ms", " is %d, want at least 0", r.MaxExecution.Milliseconds())
	}
	if r.Kind() == PythonKind && r.Isolation == IsolationNone {
		es.add("isolation", " is none, but a runnable of kind python is always a process")
	}
	if kind := r.Kind(); r.Python != "" && kind != "" && kind != PythonKind {
		es.add("python", " is the interpreter of a runnable of kind python, and this one is of kind %s", kind)
	}
	if strings.ContainsRune(r.Python, 0) {
		es.add("python", " is %s, want a path or a name", strconv.Quote(r.Python))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Env)) {
		if !variablePattern.MatchString(name) {
			es.add("env", ": name %q must match %s", name, variablePattern)
		}
		if name == visibleDevices {
			es.add("env", " has %s, which says where each instance is: name GPUs with nvidia_gpu, such as nvidia_gpu: [0]", name)
		}
		if strings.ContainsRune(r.Env[name], 0) {
			es.add("env", ": the value of %s has a zero byte", name)
		}
	}
}

// checkBatching is about how calls come together.
func (r Runner) checkBatching(es *optionErrors) {
	if r.MaxBatchSize < 1 {
		es.add("max_batch_size", " is %d, want at least 1", r.MaxBatchSize)
	}
	switch r.Batching {
	case BatchNone, BatchFixed, BatchAdaptive:
	default:
		es.add("batching", " is %q, want none, fixed or adaptive", r.Batching)
	}
	const option = "runnable_method_configs"
	seen := map[string]bool{}
	for _, m := range r.Methods {
		if m.Name == "" {
			es.add(option, " has an entry without a name")
		}
		if seen[m.Name] {
			es.add(option, " has method %q twice", m.Name)
		}
		seen[m.Name] = true
		if m.MaxBatchSize < 0 {
			es.say(option, "max_batch_size of method %q is %d, want at least 1", m.Name, m.MaxBatchSize)
		}
	}
}

// checkQueue is about what is taken in, and tried again.
func (r Runner) checkQueue(es *optionErrors) {
	if r.MaxQueue < 1 {
		es.add("max_queue", " is %d, want at least 1", r.MaxQueue)
	}
	if r.MaxQueueBytes < 1 {
		es.add("max_queue_bytes", " is %d, want at least 1", r.MaxQueueBytes)
	}
	if r.MaxConcurrency < 0 {
		es.add("max_concurrency", " is %d, want at least 0", r.MaxConcurrency)
	}
	for _, err := range r.Retry.validate() {
		es.say("retry", "%s", err)
	}
}
