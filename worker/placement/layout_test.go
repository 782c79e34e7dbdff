package placement_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/worker/placement"
)

// named is a request of a runner with that name.
func named(name string, can runnables.Resources, changes ...func(*runnables.Runner)) placement.Request {
	r := asks(with(changes...))
	r.Name = name
	return placement.Request{Runner: r, Resources: can}
}

func pictures(l placement.Layout) string {
	all := make([]string, len(l.Plans))
	for i, p := range l.Plans {
		all[i] = picture(p)
	}
	return strings.Join(all, " | ")
}

func TestRunnersAreSpreadOverTheDevices(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		requests []placement.Request
		want     string
	}{
		"one each": {[]placement.Request{
			named("a", gpuOnly, gpu(1)), named("b", gpuOnly, gpu(1)), named("c", gpuOnly, gpu(2)), named("d", gpuOnly, gpu(1)),
		}, "0 | 1 | 2 3 | 0"},
		"those that name theirs come first": {[]placement.Request{
			named("a", gpuOnly, gpu(2)), named("b", gpuOnly, gpu([]any{0, 1}), workers(2)), named("c", gpuOnly, gpu(1)),
		}, "2 3 | 0 0 1 1 | 2"},
		"replicas": {[]placement.Request{
			named("a", gpuOnly, replicas(1)), named("b", gpuOnly, replicas(2)), named("c", gpuOnly, workers(0.5), replicas(1)),
		}, "0 | 1 2 | 2,3"},
		"the load of a group is that of all its devices": {[]placement.Request{
			named("a", gpuOnly, gpu([]any{0})), named("b", gpuOnly, workers(0.5), replicas(1)),
		}, "0 | 2,3"},
		"all of them, in their order": {[]placement.Request{
			named("a", gpuOnly, gpu([]any{0})), named("b", gpuOnly, gpu(4)),
		}, "0 | 0 1 2 3"},
		"by UUID too": {[]placement.Request{
			named("a", gpuOnly, gpu(3)), named("b", gpuOnly, gpu([]any{"GPU-1"})),
		}, "0 2 3 | GPU-10000000-aaaa"},
	} {
		l, err := placement.Make(machine(8, 4), nil, tt.requests)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := pictures(l); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestSharedResourcesAreNoted(t *testing.T) {
	t.Parallel()
	l, err := placement.Make(machine(8, 2), nil, []placement.Request{
		named("a", threaded), named("b", oneThread, cpu(2)), named("c", gpuOnly), named("d", gpuOnly, gpu([]any{1})),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "10 threads for 8 cores: a, b. Where they work at the same time, give each its part with cpu. GPU 1 is shared by c, d."
	if got := strings.Join(l.Notes, " "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	l, err = placement.Make(machine(2.5, 0), nil, []placement.Request{named("a", oneThread)})
	if err != nil || len(l.Notes) > 0 {
		t.Errorf("error %v, notes %q; want none where the cores are a fraction", err, l.Notes)
	}
}

// A plan that is only looked at, before a start, places nothing.
func TestTheMachineIsAsItWasAfterwards(t *testing.T) {
	t.Parallel()
	m := machine(8, 2)
	for range 2 {
		l, err := placement.Make(m, nil, []placement.Request{named("a", gpuOnly, gpu(1))})
		if err != nil || pictures(l) != "0" || m.GPUs[0].Load != 0 {
			t.Fatalf("%s on %+v, %v", pictures(l), m.GPUs, err)
		}
	}
}

// An instance for which nobody decided on threads has one at least.
func TestInstancesWithoutAWordOfThreadsCountToo(t *testing.T) {
	t.Parallel()
	four := placement.Func(func(placement.Request, placement.Machine) (placement.Plan, error) {
		return placement.Plan{Places: make([]runnables.Place, 4)}, nil
	})
	l, err := placement.Make(machine(3, 0), placement.Strategies{"default": four}, []placement.Request{named("a", oneThread)})
	if err != nil || len(l.Notes) != 1 || !strings.HasPrefix(l.Notes[0], "4 threads for 3 cores: a.") {
		t.Errorf("%q, %v", l.Notes, err)
	}
}

func TestWhatIsAsItWasAskedForIsNoWarning(t *testing.T) {
	t.Parallel()
	for _, change := range []func(*runnables.Runner){
		replicas(4), replicas(5), workers(0.5), workers(1.5), gpu(2), with(cpu(8), gpu(2)), with(workers(0.33), gpu(3)), with(replicas(2), workers(0.5)),
	} {
		l, err := placement.Make(machine(8, 4), nil, []placement.Request{named("r", gpuAndThreads, change)})
		if err != nil {
			t.Fatal(err)
		}
		if told := l.Plans[0].Warnings; len(told) > 0 {
			t.Errorf("%s: %q", pictures(l), told)
		}
	}
}

func TestEveryRunnerThatCannotBePlacedIsTold(t *testing.T) {
	t.Parallel()
	_, err := placement.Make(machine(2, 0), nil, []placement.Request{
		named("a", threaded, cpu(0)), named("b", threaded), named("c", gpuOnly, gpu(1)),
		named("d", threaded, func(r *runnables.Runner) { r.Strategy = "tpu" }),
	})
	if !errors.Is(err, placement.ErrStrategy) {
		t.Errorf("error %v, want one of strategies", err)
	}
	for _, part := range []string{`runner "a": cpu is 0`, `runner "c": nvidia_gpu is 1`, `runner "d": unknown strategy "tpu"; this binary has: default`} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("no %q in: %v", part, err)
		}
	}
}

func TestStrategiesOfOthersPlaceTheRunnersThatNameThem(t *testing.T) {
	t.Parallel()
	known := placement.Strategies{
		"last": placement.Func(func(q placement.Request, m placement.Machine) (placement.Plan, error) {
			last := m.GPUs[len(m.GPUs)-1]
			m.GPUs[0].Load = 99 // is its own
			return placement.Plan{Places: []runnables.Place{{Devices: []string{last.ID}, Env: map[string]string{"TPU": q.Runner.Name}}}}, nil
		}),
		"none": placement.Func(func(placement.Request, placement.Machine) (placement.Plan, error) { return placement.Plan{}, nil }),
		"away": placement.Func(func(placement.Request, placement.Machine) (placement.Plan, error) {
			return placement.Plan{Places: []runnables.Place{{Devices: []string{"9"}}}}, nil
		}),
		"negative": placement.Func(func(placement.Request, placement.Machine) (placement.Plan, error) {
			return placement.Plan{Places: []runnables.Place{{Threads: -1}}}, nil
		}),
	}
	by := func(name string) func(*runnables.Runner) {
		return func(r *runnables.Runner) { r.Strategy = name }
	}
	l, err := placement.Make(machine(8, 2), known, []placement.Request{
		named("a", gpuOnly, by("last")), named("b", gpuOnly, gpu(1)), named("c", gpuOnly, gpu(1), by("default")),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := pictures(l); got != "1 | 0 | 0" || l.Plans[0].Places[0].Env["TPU"] != "a" {
		t.Errorf("placed %s, with %v", got, l.Plans[0].Places)
	}
	for name, want := range map[string]string{
		"none": "makes no instance", "away": "there is no GPU 9", "negative": "-1 threads", "": "",
		"other": "this binary has: default, away, last, negative, none",
	} {
		_, err := placement.Make(machine(8, 2), known, []placement.Request{named("a", oneThread, by(name))})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: error %v, want %q", name, err, want)
		}
	}
}

func TestADefaultStrategyCanBeReplaced(t *testing.T) {
	t.Parallel()
	two := placement.Func(func(placement.Request, placement.Machine) (placement.Plan, error) {
		return placement.Plan{Places: make([]runnables.Place, 2)}, nil
	})
	l, err := placement.Make(machine(8, 0), placement.Strategies{"default": two}, []placement.Request{named("a", oneThread)})
	if err != nil || pictures(l) != "cpu cpu" {
		t.Errorf("%s, %v", pictures(l), err)
	}
}

func TestTheVariableOfTheProcessHidesGPUs(t *testing.T) {
	t.Parallel()
	for visible, want := range map[string]string{
		"2,0": "0 2", "GPU-1": "GPU-10000000-aaaa", "-1": "", "": "", "1,9,2": "1", "1,1,2": "1", " 3 ": "3",
		"GPU-3,gpu-10000000-aaaa": "GPU-10000000-aaaa GPU-30000000-aaaa", "GPU-1,1,2": "GPU-10000000-aaaa",
	} {
		m := machine(8, 4).Seeing(visible)
		ids := make([]string, len(m.GPUs))
		for i, g := range m.GPUs {
			ids[i] = g.ID
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%q: sees %s, want %s", visible, got, want)
		}
		if want == "" && !strings.Contains(m.NoGPUs, "CUDA_VISIBLE_DEVICES") {
			t.Errorf("%q: why there are none is %q", visible, m.NoGPUs)
		}
	}
}

func TestPlacesKnowTheIndicesOfTheirGPUs(t *testing.T) {
	t.Parallel()
	m := machine(8, 3)
	m.GPUs[0] = placement.PartOfGPU(0, "MIG-a", "", 0)
	for _, tt := range []struct {
		m    placement.Machine
		ask  any
		want []int
	}{
		{m, []any{"GPU-2", "GPU-1"}, []int{2, 1}},
		{m, []any{2}, []int{2}},
		{m, []any{"MIG-a"}, []int{-1}},
		{m, 0, nil},
		{placement.Machine{CPUs: 1, Unseen: true}, []any{"GPU-2"}, []int{-1}},
	} {
		l, err := placement.Make(tt.m, nil, []placement.Request{named("a", gpuOnly, gpu(tt.ask))})
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, p := range l.Plans[0].Places {
			got = append(got, p.Indices...)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%v: indices %v, want %v", tt.ask, got, tt.want)
		}
	}
}

// used is the machine with what its GPUs were used for before: gigabytes and
// processes.
func used(m placement.Machine, by ...[2]int) placement.Machine {
	for i, u := range by {
		m.GPUs[i].Used, m.GPUs[i].Processes = uint64(u[0])<<30, u[1]
	}
	return m
}

func TestTheEmptierGPUIsTakenFirst(t *testing.T) {
	t.Parallel()
	little := used(machine(8, 2))
	little.GPUs[0].Used = 100 << 20
	for _, tt := range []struct {
		name string
		m    placement.Machine
		ask  []func(*runnables.Runner)
		want string
	}{
		{"nothing is used", used(machine(8, 2)), []func(*runnables.Runner){gpu(1)}, "0"},
		{"another worker has GPU 0", used(machine(8, 2), [2]int{5, 1}), []func(*runnables.Runner){gpu(1)}, "1"},
		{"two workers before", used(machine(8, 3), [2]int{5, 1}, [2]int{4, 1}), []func(*runnables.Runner){gpu(1)}, "2"},
		{"memory counts before processes", used(machine(8, 2), [2]int{20, 1}, [2]int{2, 3}), []func(*runnables.Runner){gpu(1)}, "1"},
		{"processes count where memory does not tell", used(machine(8, 2), [2]int{0, 1}), []func(*runnables.Runner){gpu(1)}, "1"},
		{"what idle GPUs differ by does not count", little, []func(*runnables.Runner){gpu(1)}, "0"},
		{"instances count before all else", used(machine(8, 2), [2]int{5, 1}), []func(*runnables.Runner){gpu([]any{1}), gpu(1)}, "1 | 0"},
		{"several", used(machine(8, 4), [2]int{5, 1}, [2]int{0, 0}, [2]int{9, 1}), []func(*runnables.Runner){gpu(2), gpu(2)}, "1 3 | 0 2"},
		{"replicas", used(machine(8, 3), [2]int{5, 1}), []func(*runnables.Runner){replicas(2)}, "1 2"},
		{"groups", used(machine(8, 4), [2]int{1, 1}, [2]int{5, 1}, [2]int{2, 1}, [2]int{2, 1}), []func(*runnables.Runner){with(replicas(1), workers(0.5))}, "2,3"},
	} {
		var requests []placement.Request
		for i, ask := range tt.ask {
			requests = append(requests, named(string(rune('a'+i)), gpuOnly, ask))
		}
		l, err := placement.Make(tt.m, nil, requests)
		if err != nil || pictures(l) != tt.want {
			t.Errorf("%s: %s, %v; want %s", tt.name, pictures(l), err, tt.want)
		}
	}
}

func TestGPUsThatAreSeenByUUIDArePlacedByUUID(t *testing.T) {
	t.Parallel()
	l, err := placement.Make(machine(8, 4).Seeing("GPU-3,GPU-1"), nil, []placement.Request{
		named("a", gpuOnly), named("b", gpuOnly, gpu([]any{1})), named("c", gpuOnly, gpu(1)),
	})
	const one, three = "GPU-10000000-aaaa", "GPU-30000000-aaaa"
	if err != nil || pictures(l) != one+" "+three+" | "+one+" | "+three {
		t.Errorf("%s, %v", pictures(l), err)
	}
	if want := "GPU " + one + " is shared by a, b. GPU " + three + " is shared by a, c."; strings.Join(l.Notes, " ") != want {
		t.Errorf("%q", l.Notes)
	}
}

// Whatever is asked of whatever machine: places are within it, groups are whole
// and as large as each other, and a runner of several threads never has more than
// its cores.
func TestPlacesAreWithinTheMachine(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := machine(rapid.Float64Range(0.1, 64).Draw(t, "cpus"), rapid.IntRange(0, 8).Draw(t, "gpus"))
		can := runnables.Resources{
			NvidiaGPU: rapid.Bool().Draw(t, "can use GPUs"), MultiThreading: rapid.Bool().Draw(t, "threads"), NoCPU: rapid.Bool().Draw(t, "no cpu"),
		}
		quantities := rapid.OneOf(
			rapid.Just[any](nil), rapid.Just[any]("system"), rapid.Map(rapid.IntRange(0, 9), func(n int) any { return n }),
			rapid.Map(rapid.Float64Range(0, 9), func(n float64) any { return n }),
			rapid.Map(rapid.SliceOfNDistinct(rapid.IntRange(0, 8), 1, 5, rapid.ID[int]), func(ids []int) any {
				list := make([]any, len(ids))
				for i, id := range ids {
					list[i] = id
				}
				return list
			}),
		)
		w := rapid.SampledFrom([]float64{0.1, 0.25, 0.3, 0.5, 0.7, 1, 1.1, 1.5, 2, 3.3}).Draw(t, "w")
		q := named("r", can, cpu(quantities.Draw(t, "cpu")), gpu(quantities.Draw(t, "gpu")), workers(w), replicas(rapid.IntRange(0, 3).Draw(t, "replicas")))
		l, err := placement.Make(m, nil, []placement.Request{q})
		if err != nil {
			return // it says what is wrong; tables have the sentences
		}
		plan, threads := l.Plans[0], 0
		for _, p := range plan.Places {
			if len(p.Devices) != len(plan.Places[0].Devices) {
				t.Fatalf("groups of different sizes: %s", picture(plan))
			}
			for _, id := range p.Devices {
				if _, err := m.Find(id); err != nil {
					t.Fatalf("%s: %v", picture(plan), err)
				}
			}
			threads += p.Threads
		}
		if can.MultiThreading && threads > len(plan.Places) && float64(threads) > m.CPUs+1e-6 {
			t.Fatalf("%d threads on %v cores: %s", threads, m.CPUs, picture(plan))
		}
		if n := q.Runner.Replicas; n > 0 && len(plan.Places) != n {
			t.Fatalf("%d instances, want %d replicas", len(plan.Places), n)
		}
	})
}
