package runnerfile

import (
	"maps"
	"slices"
	"time"

	"github.com/ekiben/ekiben/runnables"
)

// layers are what says how a runner is, the weakest first: the defaults of the
// file, what its runners share, the runner's own. Under them is what the binary has.
type layers []layer

// over is the runner that a file makes of the binary's, which is not changed, or
// of nothing. Maps are merged, all else overrides.
func (ls layers) over(base runnables.Runner) runnables.Runner {
	r := ls.ground(base)
	enabled := true
	for _, l := range ls {
		l.identity(&r)
		l.resources(&r)
		l.process(&r)
		l.queue(&r)
		enabled = l.batches(&r, enabled)
	}
	if !enabled {
		r.Batching, r.MaxBatchSize = runnables.BatchNone, 1
		for i := range r.Methods {
			r.Methods[i].MaxBatchSize = 1
		}
	}
	return r.WithDefaults()
}

// ground is a copy of the binary's runner. Where the file has another runnable,
// what belongs to the binary's is gone.
func (ls layers) ground(r runnables.Runner) runnables.Runner {
	was := r.Runnable
	for _, l := range ls {
		set(&r.Runnable, l.Runnable)
	}
	if was != r.Runnable {
		r.Init, r.Models, r.Methods, r.Python = nil, nil, nil, ""
	}
	r.Init = maps.Clone(r.Init)
	r.CustomResources = maps.Clone(r.CustomResources)
	r.Env = maps.Clone(r.Env)
	r.Methods = slices.Clone(r.Methods)
	return r
}

// around are the layers of a runner that has the binary's runnable: what the file
// has for all runners does not replace that, and what it has with another one is not
// for it.
func (ls layers) around(runnable string) layers {
	ls = slices.Clone(ls)
	for i, l := range ls {
		if l.Runnable != nil && *l.Runnable != runnable {
			ls[i].Init, ls[i].RunnableInitParams, ls[i].Models = nil, nil, nil
			ls[i].RunnableMethodConfigs, ls[i].MethodConfigs = methodConfigs{}, methodConfigs{}
		}
		ls[i].Runnable = nil
	}
	return ls
}

// set overrides an option with what is given.
func set[T any](option, given *T) {
	if given != nil {
		*option = *given
	}
}

func (l layer) identity(r *runnables.Runner) {
	if l.name != "" {
		r.Name = l.name
	}
	r.Init = merge(merge(r.Init, l.Init), l.RunnableInitParams)
	if l.Models != nil {
		r.Models = l.Models
	}
}

// namesFiles reports whether a layer has options in which file names are.
func (l layer) namesFiles() bool {
	return l.Runnable != nil || l.Init != nil || l.RunnableInitParams != nil
}

// merge puts one map over another, and maps in them likewise. It changes neither's
// maps but the first itself.
func merge[M ~map[string]any](under M, over map[string]any) M {
	if under == nil && over != nil {
		under = M{}
	}
	for name, value := range over {
		below, ok := under[name].(map[string]any)
		above, both := value.(map[string]any)
		if ok && both {
			value = merge(maps.Clone(below), above)
		}
		under[name] = value
	}
	return under
}

func (l layer) resources(r *runnables.Runner) {
	if l.Resources.given && l.Resources.all {
		r.CPU, r.NvidiaGPU, r.CustomResources = runnables.Quantity{}, runnables.Quantity{}, nil
	}
	for name, q := range l.Resources.amounts {
		switch name {
		case cpuResource:
			r.CPU = q.value
		case gpuResource:
			r.NvidiaGPU = l.gpus(q)
		default:
			custom(r, name, q)
		}
	}
	if l.CPU.given {
		r.CPU = l.CPU.value
	}
	if l.NvidiaGPU.given {
		r.NvidiaGPU = l.gpus(l.NvidiaGPU)
	}
	for name, q := range l.CustomResources {
		custom(r, name, q)
	}
	set(&r.WorkersPerResource, l.WorkersPerResource)
	set(&r.Strategy, l.Strategy)
	set(&r.Replicas, l.Replicas)
}

// gpus is how many GPUs a layer asks for. What all runners share is for those that
// can use them.
func (l layer) gpus(q quantity) runnables.Quantity {
	if l.name == "" {
		return q.value.Wish()
	}
	return q.value
}

// custom sets an amount of a resource, none if it is null.
func custom(r *runnables.Runner, name string, q quantity) {
	if !q.value.Given() {
		delete(r.CustomResources, name)
		return
	}
	if r.CustomResources == nil {
		r.CustomResources = map[string]runnables.Quantity{}
	}
	r.CustomResources[name] = q.value
}

func (l layer) process(r *runnables.Runner) {
	if l.Isolation != nil {
		r.Isolation = runnables.Isolation(*l.Isolation)
	}
	milliseconds(&r.MaxExecution, l.MaxExecutionMS)
	// What all runners share of interpreters is not for others.
	if l.name != "" || r.Kind() == runnables.PythonKind {
		set(&r.Python, l.Python)
	}
	if r.Env == nil && l.Env != nil {
		r.Env = map[string]string{}
	}
	for name, value := range l.Env {
		r.Env[name] = string(value)
	}
}

func (l layer) queue(r *runnables.Runner) {
	set(&r.MaxQueue, l.MaxQueue)
	set(&r.MaxQueueBytes, l.MaxQueueBytes)
	set(&r.MaxConcurrency, l.MaxConcurrency)
	set(&r.MaxConcurrency, l.Traffic.MaxConcurrency)
	set(&r.FromZero, l.FromZero)
	if l.Retry != nil {
		set(&r.Retry.Attempts, l.Retry.Attempts)
		milliseconds(&r.Retry.Backoff, l.Retry.BackoffMS)
		milliseconds(&r.Retry.MaxBackoff, l.Retry.MaxBackoffMS)
	}
}

func milliseconds(option *time.Duration, given *int64) {
	if given != nil {
		*option = time.Duration(*given) * time.Millisecond
	}
}

// batches sets how batches are formed. It returns whether there are any.
func (l layer) batches(r *runnables.Runner, enabled bool) bool {
	set(&r.MaxBatchSize, l.MaxBatchSize)
	latency(&r.MaxLatency, l.MaxLatencyMS)
	set(&r.MaxBatchSize, l.Batching.MaxBatchSize)
	latency(&r.MaxLatency, l.Batching.MaxLatencyMS)
	if l.Batching.policy != nil {
		r.Batching, enabled = runnables.BatchPolicy(*l.Batching.policy), true
	}
	set(&enabled, l.Batching.Enabled)
	for _, m := range slices.Concat(l.RunnableMethodConfigs.all, l.MethodConfigs.all) {
		same := func(other runnables.MethodLimits) bool { return other.Name == m.Name }
		i := slices.IndexFunc(r.Methods, same)
		if i < 0 {
			i = len(r.Methods)
			r.Methods = append(r.Methods, runnables.MethodLimits{Name: m.Name})
		}
		set(&r.Methods[i].MaxBatchSize, m.MaxBatchSize)
		latency(&r.Methods[i].MaxLatency, m.MaxLatencyMS)
	}
	return enabled
}

// latency overrides a wait, in which less than 0 is not to wait.
func latency(option *time.Duration, ms *float64) {
	if ms == nil {
		return
	}
	*option = time.Duration(*ms * float64(time.Millisecond))
	if *option == 0 {
		*option = -1
	}
}

// twice notes options that a layer gives in two ways.
func (l layer) twice(fs *faults) {
	for _, same := range [][]string{
		{"init", "runnable_init_params"},
		{"runnable_method_configs", "method_configs"},
		{"batching.max_batch_size", "max_batch_size"},
		{"batching.max_latency_ms", "max_latency_ms"},
		{"traffic.max_concurrency", "max_concurrency"},
	} {
		_, first := l.node.find(same[0])
		at, second := l.node.find(same[1])
		if first && second {
			fs.add(at, "%s and %s say the same: give one of them", same[0], same[1])
		}
	}
	l.resourcesTwice(fs)
}

// resourcesTwice notes resources that a layer gives in two ways.
func (l layer) resourcesTwice(fs *faults) {
	all, given := l.node.field("resources")
	if !given {
		return
	}
	within := all.value.read()
	for _, f := range l.node.fields {
		switch f.key {
		case "cpu":
			within.sameAs(f.at, cpuResource, "cpu", fs)
		case "nvidia_gpu":
			within.sameAs(f.at, gpuResource, "nvidia_gpu", fs)
		case "custom_resources":
			for _, c := range f.value.read().fields {
				within.sameAs(c.at, c.key, "custom_resources."+c.key, fs)
			}
		}
	}
}

// sameAs notes that resources say what another option, which is there, says too.
func (n *node) sameAs(at place, resource, option string, fs *faults) {
	if n.form != table {
		fs.add(at, "resources is all of the machine, and %s is an amount: give one of them", option)
	} else if _, twice := n.field(resource); twice {
		fs.add(at, "resources.%s and %s say the same: give one of them", resource, option)
	}
}

// where is the place of an option in the strongest layer that has it, and whether
// that is the runner's own: its beginning if none has it.
func (ls layers) where(option string) (at place, own bool) {
	names := []string{option}
	switch option {
	case "cpu", "nvidia_gpu", "custom_resources":
		names = append(names, "resources")
	case "runnable_method_configs":
		names = append(names, "method_configs")
	case "max_batch_size":
		names = append(names, "batching")
	case "max_concurrency":
		names = append(names, "traffic")
	}
	last := len(ls) - 1
	for i, l := range slices.Backward(ls) {
		for _, name := range names {
			if at, ok := l.node.find(name); ok {
				return at, i == last
			}
		}
	}
	return ls[last].at, true
}
