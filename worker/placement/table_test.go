package placement_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/worker/placement"
)

// machine has so many cores and undivided GPUs.
func machine(cpus float64, gpus int) placement.Machine {
	m := placement.Machine{CPUs: cpus}
	for i := range gpus {
		m.GPUs = append(m.GPUs, placement.WholeGPU(i, fmt.Sprintf("GPU-%d0000000-aaaa", i), "NVIDIA A100", 40<<30))
	}
	return m
}

// What runnables say that they can use.
var (
	gpuAndThreads = runnables.Resources{NvidiaGPU: true, MultiThreading: true}
	gpuOnly       = runnables.Resources{NvidiaGPU: true, NoCPU: true}
	greedy        = runnables.Resources{NvidiaGPU: true, MultiThreading: true, Greedy: true}
	threaded      = runnables.Resources{MultiThreading: true}
	oneThread     = runnables.Resources{}
)

// asks is a runner with some of its options.
func asks(change func(r *runnables.Runner)) runnables.Runner {
	r := runnables.Runner{Name: "r", Runnable: "python:m:Class"}.WithDefaults()
	if change != nil {
		change(&r)
	}
	return r
}

func cpu(v any) func(*runnables.Runner) { return func(r *runnables.Runner) { r.CPU = quantity(v) } }

func gpu(v any) func(*runnables.Runner) {
	return func(r *runnables.Runner) { r.NvidiaGPU = quantity(v) }
}

// wish makes the GPUs that are asked for those of all runners.
func wish(asks func(*runnables.Runner)) func(*runnables.Runner) {
	return func(r *runnables.Runner) {
		asks(r)
		r.NvidiaGPU = r.NvidiaGPU.Wish()
	}
}

func workers(w float64) func(*runnables.Runner) {
	return func(r *runnables.Runner) { r.WorkersPerResource = w }
}

func replicas(n int) func(*runnables.Runner) { return func(r *runnables.Runner) { r.Replicas = n } }

func with(changes ...func(*runnables.Runner)) func(*runnables.Runner) {
	return func(r *runnables.Runner) {
		for _, c := range changes {
			c(r)
		}
	}
}

func quantity(v any) runnables.Quantity {
	q, err := runnables.ParseQuantity(v)
	if err != nil {
		panic(err)
	}
	return q
}

// picture writes the places of a plan: devices and threads of each instance, as
// in "0,1×2", and "cpu×1" where there are no devices.
func picture(p placement.Plan) string {
	all := make([]string, len(p.Places))
	for i, place := range p.Places {
		all[i] = "cpu"
		if len(place.Devices) > 0 {
			all[i] = strings.Join(place.Devices, ",")
		}
		if place.Threads > 0 {
			all[i] += fmt.Sprintf("×%d", place.Threads)
		}
	}
	return strings.Join(all, " ")
}

type row struct {
	name  string
	can   runnables.Resources
	asks  func(*runnables.Runner)
	want  string // places
	fails string // part of the error instead
	tells string // part of what is told
}

// The machine of all rows has 8 cores and 4 GPUs. The first ones are those that
// were executed on BentoML 1.1.11; where it answers otherwise that is said.
func TestDefaultAnswersEveryRowOfTheTable(t *testing.T) {
	t.Parallel()
	for _, tt := range []row{
		{name: "GPU and threads, nothing asked", can: gpuAndThreads, want: "0 1 2 3", tells: "all 4 GPUs"},
		{name: "GPU, 2, two workers on each", can: gpuOnly, asks: with(gpu(2), workers(2)), want: "0 0 1 1"},
		{name: "GPU, [2, 3]", can: gpuOnly, asks: gpu([]any{2, 3}), want: "2 3", tells: "names: 2, 3"},
		{name: "GPU, 4, one worker on two", can: gpuOnly, asks: with(gpu(4), workers(0.5)), want: "0,1 2,3"},
		// BentoML: "0,1" and a short group "2".
		{name: "GPU, 3, one worker on two", can: gpuOnly, asks: with(gpu(3), workers(0.5)), want: "0,1", tells: "GPU 2 is not used"},
		// BentoML: an exception when the worker starts.
		{name: "GPU, 1.5 workers on each", can: gpuOnly, asks: workers(1.5), want: "0 0 1 2 2 3"},
		// BentoML: an exception.
		{name: "no GPU and no word of cpu", can: gpuAndThreads, asks: gpu(0), want: "cpu×8", tells: "nvidia_gpu is 0"},
		{name: "no GPU, 2 cores", can: gpuAndThreads, asks: with(gpu(0), cpu(2)), want: "cpu×2"},
		{name: "threads, 500m", can: threaded, asks: cpu("500m"), want: "cpu×1", tells: "1 thread each."},
		// BentoML: two workers with 4 threads each.
		{name: "threads, 4 cores, two workers", can: threaded, asks: with(cpu(4), workers(2)), want: "cpu×2 cpu×2"},
		{name: "one thread, 2.5 cores", can: oneThread, asks: cpu(2.5), want: "cpu×1 cpu×1 cpu×1"},
		// BentoML: TypeError.
		{name: "one thread, 4 cores, half a worker on each", can: oneThread, asks: with(cpu(4), workers(0.5)), want: "cpu×1 cpu×1"},
		{name: "cpu: system", can: threaded, asks: cpu("system"), want: "cpu×8"},
		// BentoML: ValueError.
		{name: "system everywhere, threads", can: threaded, asks: with(cpu("system"), gpu("system")), want: "cpu×8"},
		{name: "system everywhere, GPU and threads", can: gpuAndThreads, asks: with(cpu("system"), gpu("system")), want: "0×2 1×2 2×2 3×2"},
		// BentoML: AttributeError.
		{name: "a class without flags", can: runnables.Resources{}, asks: cpu(2), want: "cpu×1 cpu×1"},
		// BentoML: an error.
		{name: "99 cores", can: threaded, asks: cpu(99), want: "cpu×8", tells: "cpu is 99, but this machine has 8 cores"},
		{name: "GPU 7", can: gpuOnly, asks: gpu([]any{7}), fails: "there is no GPU 7; this machine has 4 GPUs: 0, 1, 2, 3"},
	} {
		check(t, machine(8, 4), tt)
	}
}

func TestDefaultHeedsEveryOption(t *testing.T) {
	t.Parallel()
	for _, tt := range []row{
		{name: "more GPUs than there are", can: gpuOnly, asks: gpu(5), fails: "nvidia_gpu is 5, but this machine has 4 GPUs: 0, 1, 2, 3"},
		{name: "half a GPU", can: gpuOnly, asks: gpu(0.5), fails: "want whole GPUs; workers_per_resource"},
		{name: "fewer GPUs than a group", can: gpuOnly, asks: with(gpu(1), workers(0.5)), fails: "an instance has 2 GPUs, but the runner has 1 GPU"},
		{name: "a third", can: gpuOnly, asks: with(gpu(3), workers(0.33)), want: "0,1,2", tells: "3 GPUs an instance"},
		{name: "no whole number of GPUs", can: gpuOnly, asks: with(gpu(4), workers(0.4)), want: "0,1,2", tells: "no whole number"},
		{name: "no GPU, for a reason of its own", can: runnables.Resources{WithoutGPU: "its library has no CUDA"}, want: "cpu×1 cpu×1 cpu×1 cpu×1 cpu×1 cpu×1 cpu×1 cpu×1", tells: "On the CPU, because its library has no CUDA."},
		{name: "a GPU for a runnable that has no use for it", can: oneThread, asks: gpu(1), fails: `runnable "python:m:Class" cannot use GPUs`},
		{name: "a GPU for all runners, of a runnable that has no use for it", can: threaded, asks: wish(gpu(1)), want: "cpu×8", tells: "the runnable cannot use GPUs"},
		{name: "certain GPUs for all runners", can: threaded, asks: wish(gpu([]any{0})), want: "cpu×8"},
		{name: "a GPU for all runners, of a runnable that can use it", can: gpuOnly, asks: wish(gpu(1)), want: "0"},
		{name: "certain GPUs for a runnable that has no use for them", can: oneThread, asks: gpu([]any{0}), fails: "cannot use GPUs"},
		{name: "a GPU twice", can: gpuOnly, asks: gpu([]any{1, "GPU-10000000-aaaa"}), fails: "GPU 1 is there twice"},
		{name: "a UUID in other letters", can: gpuOnly, asks: gpu([]any{"gpu-10000000-AAAA"}), want: "GPU-10000000-aaaa"},
		{name: "the beginning of a UUID in other letters", can: gpuOnly, asks: gpu([]any{"gpu-2"}), want: "GPU-20000000-aaaa"},
		{name: "the beginning of every UUID", can: gpuOnly, asks: gpu([]any{"GPU-"}), fails: "there is no GPU GPU-"},
		{name: "a UUID and an index", can: gpuOnly, asks: with(gpu([]any{"GPU-1", 2}), workers(0.5)), want: "GPU-10000000-aaaa,GPU-20000000-aaaa"},
		{name: "cpu only", can: gpuAndThreads, asks: cpu(4), want: "cpu×4", tells: "asks for cpu and not for nvidia_gpu"},
		{name: "cpu only, where there are GPUs", can: gpuAndThreads, asks: cpu(4), want: "cpu×4", tells: "can use GPUs, and the machine has 4 GPUs: nvidia_gpu says"},
		{name: "threads that nobody decides", can: gpuAndThreads, asks: gpu(3), want: "0 1 2"},
		{name: "threads that would be all of the host", can: greedy, asks: gpu(3), want: "0×2 1×2 2×2", tells: "2 cores left over"},
		{name: "many instances of what takes all threads", can: greedy, asks: with(gpu(1), workers(10)), want: strings.TrimSpace(strings.Repeat("0×1 ", 10))},
		{name: "no cores, but a GPU, and a runnable that takes all threads", can: greedy, asks: with(cpu(0), gpu(1)), want: "0×1"},
		{name: "cpu only, all of it", can: gpuAndThreads, asks: cpu("system"), want: "cpu×8", tells: "asks for cpu and not for nvidia_gpu"},
		{name: "no cores and no word of GPUs", can: gpuAndThreads, asks: cpu(0), fails: "nothing to run it on"},
		{name: "no cores", can: threaded, asks: cpu(0), fails: "nothing to run it on"},
		{name: "no cores, but a GPU", can: gpuAndThreads, asks: with(cpu(0), gpu(1)), want: "0"},
		{name: "cores as a list", can: threaded, asks: cpu([]any{0, 1}), fails: "want how many cores"},
		{name: "not made for the CPU", can: gpuOnly, asks: gpu(0), want: strings.TrimSpace(strings.Repeat("cpu×1 ", 8)), tells: "runs on the CPU nevertheless"},
		{name: "threads that do not divide the cores", can: threaded, asks: with(cpu(8), workers(3)), want: "cpu×2 cpu×2 cpu×2", tells: "2 cores left over"},
		{name: "more instances than cores", can: threaded, asks: with(cpu(1), workers(3)), want: "cpu×1 cpu×1 cpu×1", tells: "more than the cores"},
		{name: "half an instance on the CPU", can: threaded, asks: workers(0.5), want: "cpu×8", tells: "whole instances"},
		{name: "two workers on each of two cores and a half", can: oneThread, asks: with(cpu(2.5), workers(2)), want: "cpu×1 cpu×1 cpu×1 cpu×1 cpu×1 cpu×1"},
		{name: "three groups, one and a half workers on each", can: gpuOnly, asks: with(gpu(3), workers(1.5)), want: "0 0 1 2 2"},
		{name: "sums that are a little less than they should be", can: threaded, asks: with(cpu(6-1e-12), workers(3-1e-12)), want: "cpu×2 cpu×2 cpu×2"},
		{name: "a sum that is a little more than it should be", can: oneThread, asks: with(cpu(4), workers(0.5+1e-12)), want: "cpu×1 cpu×1"},
		{name: "two workers a core", can: oneThread, asks: with(cpu(2), workers(2)), want: "cpu×1 cpu×1 cpu×1 cpu×1"},
		{name: "replicas share the cores", can: threaded, asks: replicas(3), want: "cpu×2 cpu×2 cpu×2", tells: "replicas is 3"},
		{name: "replicas with one thread", can: oneThread, asks: replicas(2), want: "cpu×1 cpu×1"},
		{name: "replicas take GPUs in turn", can: gpuAndThreads, asks: with(replicas(5), gpu(2)), want: "0 1 0 1 0"},
		{name: "replicas of groups", can: gpuAndThreads, asks: with(replicas(3), workers(0.5)), want: "0,1 2,3 0,1"},
		{name: "fewer replicas than GPUs", can: gpuAndThreads, asks: replicas(1), want: "0", tells: "1 GPU of 4 are used"},
		{name: "cores beside GPUs", can: gpuAndThreads, asks: with(cpu(5), gpu(2)), want: "0×2 1×2", tells: "1 core left over"},
		{name: "more cores than there are beside GPUs", can: gpuAndThreads, asks: with(cpu(9), gpu(2)), want: "0×4 1×4", tells: "cpu is 9, but this machine has 8 cores"},
		{name: "one thread beside GPUs", can: gpuOnly, asks: with(cpu(5), gpu(2)), want: "0×1 1×1"},
		{name: "as many as there may be", can: oneThread, asks: workers(128), want: strings.TrimSpace(strings.Repeat("cpu×1 ", 1024))},
		{name: "one too many", can: oneThread, asks: with(cpu(1), workers(1025)), fails: "1025 instances, more than 1024"},
		{name: "too many", can: oneThread, asks: workers(1000), fails: "8000 instances, more than 1024"},
		{name: "resources of other kinds", can: oneThread, asks: with(cpu(1), func(r *runnables.Runner) {
			r.CustomResources = map[string]runnables.Quantity{"tpu": runnables.Amount(1)}
		}), want: "cpu×1", tells: "custom resources (tpu)"},
	} {
		check(t, machine(8, 4), tt)
	}
}

func TestDefaultWithoutGPUs(t *testing.T) {
	t.Parallel()
	none := machine(2, 0)
	none.NoGPUs = "there is no NVML library"
	for _, tt := range []row{
		{name: "nothing asked", can: gpuAndThreads, want: "cpu×2", tells: "no NVIDIA GPU (there is no NVML library)"},
		{name: "all of the machine", can: gpuAndThreads, asks: gpu("system"), want: "cpu×2"},
		{name: "one", can: gpuAndThreads, asks: gpu(1), fails: "nvidia_gpu is 1, but this machine has no NVIDIA GPU (there is no NVML library)"},
		{name: "a certain one", can: gpuAndThreads, asks: gpu([]any{0}), fails: "there is no GPU 0; this machine has no NVIDIA GPU"},
		{name: "groups", can: gpuAndThreads, asks: workers(0.5), want: "cpu×2"},
		{name: "not made for the CPU", can: gpuOnly, want: "cpu×1 cpu×1", tells: "nevertheless"},
	} {
		check(t, none, tt)
	}
	unseen := placement.Machine{CPUs: 2, Unseen: true, NoGPUs: "built without cgo"}
	for _, tt := range []row{
		{name: "unseen, nothing asked", can: gpuAndThreads, want: "cpu×2", tells: "cannot be looked for: built without cgo"},
		{name: "unseen, one", can: gpuAndThreads, asks: gpu(1), fails: "name them, as in nvidia_gpu: [0]"},
		{name: "unseen, certain ones", can: gpuAndThreads, asks: gpu([]any{3, "MIG-7"}), want: "3 MIG-7", tells: "Nobody knows"},
	} {
		check(t, unseen, tt)
	}
}

func TestDefaultWithPartsOfGPUs(t *testing.T) {
	t.Parallel()
	m := placement.Machine{CPUs: 8, GPUs: []placement.GPU{
		placement.PartOfGPU(0, "MIG-a1", "NVIDIA A100 MIG 1g.5gb", 5<<30),
		placement.PartOfGPU(0, "MIG-a2", "NVIDIA A100 MIG 1g.5gb", 5<<30),
		placement.WholeGPU(1, "GPU-b", "NVIDIA A100", 40<<30),
	}}
	for _, tt := range []row{
		{name: "all", can: gpuOnly, want: "MIG-a1 MIG-a2 1"},
		{name: "a part", can: gpuOnly, asks: gpu([]any{"MIG-a2"}), want: "MIG-a2"},
		{name: "the beginning of two", can: gpuOnly, asks: gpu([]any{"MIG-a"}), fails: "more than one GPU begins with MIG-a"},
		{name: "a GPU that is divided", can: gpuOnly, asks: gpu([]any{0}), fails: "GPU 0 is in MIG mode: name one of its parts"},
		{name: "two parts for one instance", can: gpuOnly, asks: with(gpu([]any{"MIG-a1", "MIG-a2"}), workers(0.5)), fails: "no more than one part"},
	} {
		check(t, m, tt)
	}
}

func check(t *testing.T, m placement.Machine, tt row) {
	t.Helper()
	t.Run(tt.name, func(t *testing.T) {
		t.Parallel()
		plan, err := placement.Default{}.Place(placement.Request{Runner: asks(tt.asks), Resources: tt.can}, m)
		if tt.fails != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fails) {
				t.Fatalf("%s, error %v; want one with %q", picture(plan), err, tt.fails)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := picture(plan); got != tt.want {
			t.Errorf("placed %s, want %s", got, tt.want)
		}
		told := strings.Join(append(plan.Why, plan.Warnings...), " ")
		if !strings.Contains(told, tt.tells) || len(plan.Why) == 0 {
			t.Errorf("told %q, want %q in it", told, tt.tells)
		}
	})
}
