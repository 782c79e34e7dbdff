package runnerfile

// The comments of these fields are what ekiben.schema.json and
// docs/configuration.md say of them.

// file is ekiben.yaml.
type file struct {
	// Runners are the runners: a list, or a map by name, in which batching, resources,
	// logging, metrics, traffic and workers_per_resource hold for all of them.
	Runners runners `yaml:"runners"`

	// RunnerDefaults are options of all runners that do not say otherwise, those of
	// the binary among them. Maps are merged; of everything else the runner's own wins.
	RunnerDefaults options `yaml:"runner_defaults"`

	// Schedules are jobs that are submitted at certain times.
	Schedules schedules `yaml:"schedules"`
}

// entry is one runner of the list.
type entry struct {
	// Name identifies the runner in URLs, metrics and Redis: lower-case letters,
	// digits, `-`, `.` and `_`, at most 63 characters, unique. In the map form it is
	// the key.
	Name string `yaml:"name" required:"true"`

	options
}

// options are those of a runner. What is not given is nil, so that 0 can be told
// from nothing.
type options struct {
	// Runnable is one of the kinds that the binary was built with and, behind a
	// colon, what it is to load: `python:my.module:Class`.
	Runnable *string `yaml:"runnable"`

	// Init is what the runnable's constructor gets, by name; see its documentation.
	Init map[string]any `yaml:"init"`

	// RunnableInitParams is another name of `init`.
	RunnableInitParams map[string]any `yaml:"runnable_init_params"`

	// Models are the tags of stored models that the runnable needs: `name` or
	// `name:version`.
	Models []string `yaml:"models" default:"none"`

	// CPU is how many cores the instances in one worker process have together: `4`,
	// `"500m"`, `system` for all.
	CPU quantity `yaml:"cpu" default:"all"`

	// NvidiaGPU is how many NVIDIA GPUs they have: `2`, `system` for all, or which, by
	// index or UUID: `[0, 2]`. With 0 they run on the CPU.
	NvidiaGPU quantity `yaml:"nvidia_gpu" default:"all that the runnable can use; none where cpu is given"`

	// CustomResources are amounts of other resources by name, for strategies that
	// know them.
	CustomResources map[string]quantity `yaml:"custom_resources" default:"none"`

	// Resources is another way to write these: a map of `cpu`, `nvidia.com/gpu` and
	// others; or `system` or null, which is all of the machine, whatever holds for all
	// runners.
	Resources resources `yaml:"resources"`

	// WorkersPerResource is how many instances share one GPU, or, of a multi-threaded
	// runnable, the cores; for others how many there are for one core. Below 1 one
	// instance has several GPUs: 0.5 is two.
	WorkersPerResource *float64 `yaml:"workers_per_resource" default:"1" above:"0" max:"1024"`

	// Strategy is the name of what places the instances.
	Strategy *string `yaml:"strategy" default:"by what the runnable supports"`

	// Replicas is how many instances there are in one worker process, whatever the
	// strategy says. How many processes there are is up to what starts them.
	Replicas *int `yaml:"replicas" default:"the strategy's" min:"1" max:"1024"`

	// Isolation is where instances live: `none` is in the worker, `process` in
	// processes of their own, which are replaced when they crash or hang.
	Isolation *string `yaml:"isolation" default:"the kind's" enum:"none|process"`

	// Python is the interpreter of a Python runnable, a path or a name.
	Python *string `yaml:"python" default:"EKIBEN_PYTHON"`

	// Env are environment variables of the instances that are processes; they win over
	// those of the place. CUDA_VISIBLE_DEVICES is refused: `nvidia_gpu` names devices.
	Env map[string]variableText `yaml:"env" default:"none"`

	// MaxExecutionMS is how long one execution may take, whatever deadlines its calls
	// have. An instance that is a process is killed and replaced then; the calls run
	// again alone, and one that takes too long alone fails. 0 is no limit.
	MaxExecutionMS *int64 `yaml:"max_execution_ms" default:"0" min:"0" max:"86400000"`

	// MaxBatchSize is the largest batch, in rows. A call with more rows is run alone,
	// in pieces.
	MaxBatchSize *int `yaml:"max_batch_size" default:"32" min:"1"`

	// MaxLatencyMS is the longest that a call may wait for company, from its
	// acceptance. It never ends a call; 0 is not to wait.
	MaxLatencyMS *float64 `yaml:"max_latency_ms" default:"100" min:"0" max:"86400000"`

	// Batching is how to wait: `none`, `fixed` or `adaptive`; or a map of `enabled`,
	// `max_batch_size` and `max_latency_ms`. With `enabled: false` every row is run
	// alone.
	Batching batching `yaml:"batching" default:"adaptive"`

	// RunnableMethodConfigs are limits of single methods: a list of `name` (or
	// `method_name`), `max_batch_size` and `max_latency_ms`, or a map by name.
	RunnableMethodConfigs methodConfigs `yaml:"runnable_method_configs" default:"the runner's"`

	// MethodConfigs is another name of `runnable_method_configs`.
	MethodConfigs methodConfigs `yaml:"method_configs"`

	// MaxQueue is how many calls may be queued or running. More are refused with 429.
	MaxQueue *int `yaml:"max_queue" default:"10000" min:"1"`

	// MaxQueueBytes is how many bytes they may have.
	MaxQueueBytes *int64 `yaml:"max_queue_bytes" default:"268435456" min:"1"`

	// MaxConcurrency is how many awaited calls one gateway has in flight; more are
	// refused. 0 is no limit.
	MaxConcurrency *int `yaml:"max_concurrency" default:"0" min:"0"`

	// Traffic is another way to write `max_concurrency`: a map that has it. Its
	// `timeout` is refused: deadlines are those of gateways and clients.
	Traffic traffic `yaml:"traffic"`

	// Retry is how often jobs that failed of something that may get better are tried
	// again, and how soon. `Ekiben-Retry` asks for another number.
	Retry *retryEntry `yaml:"retry"`

	// FromZero makes gateways accept awaited calls while no worker lives, because one
	// will be started for them.
	FromZero *bool `yaml:"from_zero" default:"false"`

	// Logging is read, and has no effect: `EKIBEN_LOG_LEVEL` and `EKIBEN_LOG_FORMAT`
	// are what there is.
	Logging map[string]any `yaml:"logging"`

	// Metrics is read, and has no effect: there are always all of them.
	Metrics map[string]any `yaml:"metrics"`
}

// shared are the options that hold for all runners of the map form.
type shared struct {
	// Batching is as that of a runner.
	Batching batching `yaml:"batching"`

	// Resources is as that of a runner. A runner that says null has all of the
	// machine.
	Resources resources `yaml:"resources"`

	// Logging is read, and has no effect.
	Logging map[string]any `yaml:"logging"`

	// Metrics is read, and has no effect.
	Metrics map[string]any `yaml:"metrics"`

	// Traffic is as that of a runner.
	Traffic traffic `yaml:"traffic"`

	// WorkersPerResource is as that of a runner.
	WorkersPerResource *float64 `yaml:"workers_per_resource" default:"1" above:"0" max:"1024"`
}

// options are what they are of every runner.
func (s shared) options() options {
	return options{
		Batching: s.Batching, Resources: s.Resources, Logging: s.Logging, Metrics: s.Metrics, Traffic: s.Traffic,
		WorkersPerResource: s.WorkersPerResource,
	}
}

// limits are those of a batch.
type limits struct {
	// MaxBatchSize is the largest batch, in rows.
	MaxBatchSize *int `yaml:"max_batch_size" min:"1"`

	// MaxLatencyMS is the longest that a call may wait for company; 0 is not to wait.
	MaxLatencyMS *float64 `yaml:"max_latency_ms" min:"0" max:"86400000"`
}

// batchingEntry is `batching` as a map.
type batchingEntry struct {
	// Enabled is false to have every row run alone.
	Enabled *bool `yaml:"enabled" default:"true"`

	limits
}

// methodEntry is one method in the list of them.
type methodEntry struct {
	// Name is the method's.
	Name string `yaml:"name"`

	// MethodName is another name of `name`.
	MethodName string `yaml:"method_name"`

	limits
}

// trafficEntry is `traffic`.
type trafficEntry struct {
	// MaxConcurrency is how many awaited calls one gateway has in flight; 0 is no
	// limit.
	MaxConcurrency *int `yaml:"max_concurrency" min:"0"`

	// Timeout cannot be given, null aside: deadlines are those of gateways and
	// clients.
	Timeout any `yaml:"timeout"`
}

// retryEntry is `retry`.
type retryEntry struct {
	// Attempts is how many there are after the first.
	Attempts *int `yaml:"attempts" default:"0" min:"0" max:"20"`

	// BackoffMS is how long the second attempt waits; each further one waits twice as
	// long.
	BackoffMS *int64 `yaml:"backoff_ms" default:"1000" min:"1" max:"86400000"`

	// MaxBackoffMS is the longest wait.
	MaxBackoffMS *int64 `yaml:"max_backoff_ms" default:"600000" min:"1" max:"86400000"`
}
