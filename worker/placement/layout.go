package placement

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Layout is where all runners of a process are.
type Layout struct {
	// Plans are those of the requests, in their order.
	Plans []Plan

	// Notes are sentences about all runners together.
	Notes []string
}

// Make places all runners of a process, each with the strategy that it names.
// Runners that name their devices are placed first, so that others can keep clear
// of these. The error names everything that is wrong, with its runner.
func Make(m Machine, known Strategies, requests []Request) (Layout, error) {
	m.GPUs = slices.Clone(m.GPUs)
	l := Layout{Plans: make([]Plan, len(requests))}
	errs := make([]error, len(requests))
	for _, named := range []bool{true, false} {
		for i, q := range requests {
			if named != (len(q.Runner.NvidiaGPU.IDs()) > 0) {
				continue
			}
			plan, err := place(m, known, q)
			if err != nil {
				errs[i] = fmt.Errorf("runner %q: %w", q.Runner.Name, err)
				continue
			}
			for _, p := range plan.Places {
				m.load(p.Devices)
			}
			l.Plans[i] = plan
		}
	}
	if err := errors.Join(errs...); err != nil {
		return Layout{}, err
	}
	l.note(m, requests)
	return l, nil
}

// place places one runner, and checks what its strategy answers.
func place(m Machine, known Strategies, q Request) (Plan, error) {
	strategy, err := known.named(q.Runner.Strategy)
	if err != nil {
		return Plan{}, err
	}
	// A strategy that writes to its machine must not move others.
	own := m
	own.GPUs = slices.Clone(m.GPUs)
	plan, err := strategy.Place(q, own)
	switch {
	case err != nil:
		return Plan{}, err
	case len(plan.Places) == 0:
		return Plan{}, errors.New("its strategy makes no instance")
	}
	for i, p := range plan.Places {
		if p.Threads < 0 {
			return Plan{}, fmt.Errorf("its strategy gives instance %d %d threads", i, p.Threads)
		}
		var indices []int
		for _, id := range p.Devices {
			g, err := m.Find(id)
			if err != nil {
				return Plan{}, fmt.Errorf("its strategy places instance %d where it cannot be: %w", i, err)
			}
			if g.Part || m.Unseen {
				g.Index = -1
			}
			indices = append(indices, g.Index)
		}
		plan.Places[i].Indices = indices
	}
	return plan, nil
}

// note says what runners have in common.
func (l *Layout) note(m Machine, requests []Request) {
	threads := 0
	var busy []string
	users := map[string][]string{} // of devices
	for i, plan := range l.Plans {
		name := requests[i].Runner.Name
		if n := plan.threads(); n > 0 {
			threads += n
			busy = append(busy, name)
		}
		for _, id := range plan.devices(m) {
			users[id] = append(users[id], name)
		}
	}
	if float64(threads) > math.Ceil(m.CPUs) {
		l.Notes = append(l.Notes, fmt.Sprintf("%s for %s: %s. Where they work at the same time, give each its part with cpu.",
			count(threads, "thread"), cores(m.CPUs), strings.Join(busy, ", ")))
	}
	for _, g := range m.GPUs {
		if len(users[g.ID]) > 1 {
			l.Notes = append(l.Notes, fmt.Sprintf("GPU %s is shared by %s.", g.ID, strings.Join(users[g.ID], ", ")))
		}
	}
}

// threads are how many its instances compute with on the CPU, as far as anybody
// decided that.
func (p Plan) threads() int {
	n := 0
	for _, place := range p.Places {
		if len(place.Devices) == 0 || place.Threads > 0 {
			n += max(place.Threads, 1)
		}
	}
	return n
}

// devices are those of its instances, by the ids that the machine has for them,
// each once.
func (p Plan) devices(m Machine) []string {
	var ids []string
	for _, place := range p.Places {
		for _, id := range place.Devices {
			if g, err := m.Find(id); err == nil && !slices.Contains(ids, g.ID) {
				ids = append(ids, g.ID)
			}
		}
	}
	return ids
}
