package placement

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/ekiben/ekiben/runnables"
)

// Default is the strategy of runners that name none.
//
// A runnable that can use GPUs has one instance on each that the runner asks for,
// or on all; workers_per_resource makes that several instances on each, or, below
// 1, one instance on several. Any other has the CPU: one instance that computes
// with all cores if the runnable is multi-threaded, of which workers_per_resource
// makes several that share the cores; else one instance on each core.
// replicas, where it is given, is the number of instances instead.
//
// A runner that asks for cpu and does not say anything of GPUs gets none.
type Default struct{}

// Place implements [Strategy].
func (Default) Place(q Request, m Machine) (Plan, error) {
	d := draft{q: q, m: m}
	if custom := q.Runner.CustomResources; len(custom) > 0 {
		d.warn("The default strategy does not know custom resources (%s): they need a strategy of their own.",
			strings.Join(slices.Sorted(maps.Keys(custom)), ", "))
	}
	devices, err := d.gpus()
	if err == nil && len(devices) > 0 {
		err = d.onGPUs(devices)
	} else if err == nil {
		err = d.onCPU()
	}
	return d.plan, err
}

// draft is a plan that is being made.
type draft struct {
	q    Request
	m    Machine
	plan Plan
}

func (d *draft) say(format string, args ...any) {
	d.plan.Why = append(d.plan.Why, fmt.Sprintf(format, args...))
}

func (d *draft) warn(format string, args ...any) {
	d.plan.Warnings = append(d.plan.Warnings, fmt.Sprintf(format, args...))
}

// add adds the place of one more instance.
func (d *draft) add(devices []GPU, threads int) {
	place := runnables.Place{Threads: threads}
	for _, g := range devices {
		place.Devices = append(place.Devices, g.ID)
	}
	d.plan.Places = append(d.plan.Places, place)
}

// onCPU places all instances on the CPU.
func (d *draft) onCPU() error {
	share, err := d.cores()
	if err != nil {
		return err
	}
	if d.q.Resources.NoCPU {
		d.warn("The runnable is not made for CPUs, and there is nothing else for it: it runs on the CPU nevertheless.")
	}
	n := d.instancesOnCPU(share)
	threads := 1
	if d.q.Resources.MultiThreading {
		threads = d.threads(share, n)
	}
	return d.repeat(n, func(int) { d.add(nil, threads) })
}

// cores is how many cores the runner has.
func (d *draft) cores() (float64, error) {
	asked := d.q.Runner.CPU
	switch {
	case len(asked.IDs()) > 0:
		return 0, fmt.Errorf("cpu is %s, want how many cores", asked)
	case !asked.Given():
		d.say("It has all %s of the machine, because it does not ask for cpu.", cores(d.m.CPUs))
		return d.m.CPUs, nil
	case asked.All():
		d.say("It has all %s of the machine.", cores(d.m.CPUs))
		return d.m.CPUs, nil
	case asked.Amount() == 0:
		return 0, fmt.Errorf("cpu is 0 and it has no GPU: there is nothing to run it on")
	case asked.Amount() > d.m.CPUs+tiny:
		// A file for larger machines shall work on a laptop: nothing breaks but speed.
		d.warn("cpu is %s, but this machine has %s: it has all of it.", asked, cores(d.m.CPUs))
		return d.m.CPUs, nil
	}
	d.say("It has %s, as it asks for.", cores(asked.Amount()))
	return asked.Amount(), nil
}

// instancesOnCPU is how many instances share so many cores.
func (d *draft) instancesOnCPU(share float64) int {
	w := d.q.Runner.WorkersPerResource
	if n := d.q.Runner.Replicas; n > 0 {
		d.say("replicas is %d.", n)
		return n
	}
	if !d.q.Resources.MultiThreading {
		n := ceil(math.Ceil(share) * w)
		if w == 1 {
			d.say("One instance a core, because the runnable computes with one thread: %d.", n)
		} else {
			d.say("%s instances a core, because workers_per_resource says so and the runnable computes with one thread: %d.", number(w), n)
		}
		return n
	}
	n := max(int(w+tiny), 1)
	switch {
	case math.Abs(w-float64(n)) > tiny:
		d.say("%s for all cores: workers_per_resource is %s, and a multi-threaded runnable on the CPU has whole instances.", count(n, "instance"), number(w))
	case n == 1:
		d.say("One instance for all cores, because the runnable is multi-threaded.")
	default:
		d.say("%d instances that share the cores: workers_per_resource of a multi-threaded runnable.", n)
	}
	return n
}

// threads shares cores among n instances.
func (d *draft) threads(share float64, n int) int {
	threads := max(int(share/float64(n)+tiny), 1)
	switch left := share - float64(threads*n); {
	case left > tiny:
		d.say("%s each; %s left over.", count(threads, "thread"), cores(left))
	case left < -tiny && n > 1:
		d.say("1 thread each, which is more than the cores: %d instances on %s.", n, cores(share))
	default:
		d.say("%s each.", count(threads, "thread"))
	}
	return threads
}

// repeat makes n instances.
func (d *draft) repeat(n int, add func(i int)) error {
	if n > runnables.MaxReplicas {
		return fmt.Errorf("that makes %d instances, more than %d", n, runnables.MaxReplicas)
	}
	for i := range n {
		add(i)
	}
	return nil
}

// tiny is what a sum of fractions may be wrong by.
const tiny = 1e-9

// ceil rounds up what is not an integer but for rounding errors.
func ceil(x float64) int { return int(math.Ceil(x - tiny)) }
