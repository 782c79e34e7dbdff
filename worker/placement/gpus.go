package placement

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// gpus are the devices of the runner; none means that it runs on the CPU.
func (d *draft) gpus() ([]GPU, error) {
	asked := d.q.Runner.NvidiaGPU
	if !d.q.Resources.NvidiaGPU {
		if asked.Amount() > 0 && !asked.IsWish() {
			return nil, fmt.Errorf("nvidia_gpu is %s, but runnable %q cannot use GPUs; leave nvidia_gpu out", asked, d.q.Runner.Runnable)
		}
		d.say("On the CPU, because %s.", cmp.Or(d.q.Resources.WithoutGPU, "the runnable cannot use GPUs"))
		return nil, nil
	}
	switch {
	case len(asked.IDs()) > 0:
		return d.these(asked.IDs())
	case asked.All():
		return d.all("On all %s, as it asks for.")
	case asked.Given():
		return d.some(asked.Amount())
	case d.q.Runner.CPU.Given():
		d.say("On the CPU, because it asks for cpu and not for nvidia_gpu.")
		if len(d.m.GPUs) > 0 {
			d.warn("The runnable can use GPUs, and the machine has %s: nvidia_gpu says how many it gets, 0 that this is meant.", count(len(d.m.GPUs), "GPU"))
		}
		return nil, nil
	default:
		return d.all("On all %s, because the runnable can use GPUs and the runner does not say how many.")
	}
}

// all takes every GPU, if there is one.
func (d *draft) all(why string) ([]GPU, error) {
	switch {
	case len(d.m.GPUs) > 0:
		d.say(why, count(len(d.m.GPUs), "GPU"))
	case d.m.Unseen:
		d.say("On the CPU, because GPUs cannot be looked for: %s.", d.m.NoGPUs)
	default:
		d.say("On the CPU, because %s.", d.m.inventory())
	}
	return slices.Clone(d.m.GPUs), nil
}

// some takes the n emptiest GPUs.
func (d *draft) some(n float64) ([]GPU, error) {
	switch {
	case n == 0:
		d.say("On the CPU, because nvidia_gpu is 0.")
		return nil, nil
	case n != math.Trunc(n):
		return nil, fmt.Errorf("nvidia_gpu is %s, want whole GPUs; workers_per_resource says how many instances share one", number(n))
	case d.m.Unseen:
		return nil, fmt.Errorf("nvidia_gpu is %s, but GPUs cannot be counted (%s); name them, as in nvidia_gpu: [0]", number(n), d.m.NoGPUs)
	case n > float64(len(d.m.GPUs)):
		return nil, fmt.Errorf("nvidia_gpu is %s, but %s", number(n), d.m.inventory())
	}
	devices := d.m.LeastLoaded(int(n))
	if len(devices) == len(d.m.GPUs) {
		d.say("On %s, as it asks for: that is all there are.", count(len(devices), "GPU"))
	} else {
		d.say("On %s, as it asks for: %s of %d, the emptiest.", count(len(devices), "GPU"), names(devices), len(d.m.GPUs))
	}
	return devices, nil
}

// these takes the GPUs that are asked for by name: all by UUID where one is,
// because CUDA does not take both forms together.
func (d *draft) these(ids []string) ([]GPU, error) {
	var devices []GPU
	var errs []error
	byUUID := false
	for _, id := range ids {
		g, err := d.m.Find(id)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("nvidia_gpu is %s: %w", d.q.Runner.NvidiaGPU, err))
		case slices.ContainsFunc(devices, func(other GPU) bool { return other.ID == g.ID }):
			errs = append(errs, fmt.Errorf("nvidia_gpu is %s: GPU %s is there twice", d.q.Runner.NvidiaGPU, g.ID))
		default:
			devices = append(devices, g)
			byUUID = byUUID || strconv.Itoa(g.Index) != id
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for i := range devices {
		if byUUID && devices[i].UUID != "" {
			devices[i].ID = devices[i].UUID
		}
	}
	d.say("On the %s that it names: %s.", count(len(devices), "GPU"), names(devices))
	if d.m.Unseen {
		d.warn("Nobody knows whether the GPUs are there: %s.", d.m.NoGPUs)
	}
	return devices, nil
}

// onGPUs places all instances on these devices.
func (d *draft) onGPUs(devices []GPU) error {
	groups, err := d.groups(devices)
	if err != nil {
		return err
	}
	n, each := d.instancesOnGPUs(groups)
	threads, err := d.threadsBesideGPUs(n)
	if err != nil {
		return err
	}
	return d.repeat(n, func(i int) { d.add(groups[each(i)], threads) })
}

// groups are the devices that an instance has together, only whole ones.
func (d *draft) groups(devices []GPU) ([][]GPU, error) {
	size, w := 1, d.q.Runner.WorkersPerResource
	if w < 1 {
		size = max(int(math.Round(1/w)), 1)
		if math.Abs(1/w-float64(size)) > 0.05 {
			d.warn("workers_per_resource is %s, which is no whole number of GPUs: an instance has %d.", number(w), size)
		}
	}
	if size > len(devices) {
		return nil, fmt.Errorf("workers_per_resource is %s, so that an instance has %d GPUs, but the runner has %s: %s",
			number(w), size, count(len(devices), "GPU"), names(devices))
	}
	if size > 1 && slices.ContainsFunc(devices, func(g GPU) bool { return g.Part }) {
		return nil, fmt.Errorf("workers_per_resource is %s, but an instance can have no more than one part of a GPU in MIG mode", number(w))
	}
	var groups [][]GPU
	for len(devices) >= size {
		groups, devices = append(groups, devices[:size]), devices[size:]
	}
	if size > 1 {
		d.say("%d GPUs an instance: workers_per_resource is %s.", size, number(w))
	}
	if len(devices) > 0 {
		d.warn("GPU %s is not used: an instance has %d, and there is no other whole group.", names(devices), size)
	}
	return groups, nil
}

// instancesOnGPUs is how many instances there are, and which group each has.
func (d *draft) instancesOnGPUs(groups [][]GPU) (n int, each func(i int) int) {
	w := d.q.Runner.WorkersPerResource
	switch {
	case d.q.Runner.Replicas > 0:
		n = d.q.Runner.Replicas
		d.say("replicas is %d; they take the GPUs in turn.", n)
		slices.SortStableFunc(groups, emptier)
		if n < len(groups) {
			d.warn("replicas is less than the GPUs could have: %s of %d are used.", count(n*len(groups[0]), "GPU"), len(groups)*len(groups[0]))
		}
		return n, func(i int) int { return i % len(groups) }
	case w <= 1:
		d.say("%s.", count(len(groups), "instance"))
		return len(groups), func(i int) int { return i }
	default:
		n = ceil(float64(len(groups)) * w)
		d.say("%d instances: workers_per_resource is %s.", n, number(w))
		return n, func(i int) int { return min(int(float64(i)/w+tiny), len(groups)-1) }
	}
}

// threadsBesideGPUs is how many threads each of n instances on GPUs has. Where the
// runner does not ask for cpu nobody decides that, and it is 0, unless the runnable
// would take all cores then.
func (d *draft) threadsBesideGPUs(n int) (int, error) {
	asked, greedy := d.q.Runner.CPU, d.q.Resources.Greedy
	switch none := asked.Given() && asked.Amount() == 0 && !asked.All(); {
	case none && greedy:
		return 1, nil
	case none, !asked.Given() && !greedy:
		return 0, nil
	}
	share, err := d.cores()
	if err != nil {
		return 0, err
	}
	if d.q.Resources.MultiThreading {
		return d.threads(share, n), nil
	}
	d.say("1 thread each, because the runnable computes with one.")
	return 1, nil
}
