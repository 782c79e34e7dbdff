package ekiben

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/worker"
	"github.com/ekiben/ekiben/worker/placement"
)

// place decides where the instances of runners are to be.
func (app App) place(ctx context.Context, runners []runnables.Runner, m placement.Machine) (placement.Layout, error) {
	requests := make([]placement.Request, len(runners))
	var errs []error
	for i, r := range runners {
		resources, err := app.resources(ctx, r)
		if err == nil && len(resources.Methods) > 0 {
			err = r.CheckMethods(resources.Methods)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("runner %q: %w", r.Name, err))
		}
		requests[i] = placement.Request{Runner: r, Resources: resources}
	}
	if err := errors.Join(errs...); err != nil {
		return placement.Layout{}, err
	}
	l, err := placement.Make(m, app.Strategies, requests)
	for i := range l.Plans {
		l.Plans[i].Warnings = append(l.Plans[i].Warnings, app.doubts(requests[i], l.Plans[i])...)
	}
	return l, err
}

// doubts are warnings about a plan that the strategy knows nothing of.
func (app App) doubts(q placement.Request, p placement.Plan) []string {
	var all []string
	onGPU := slices.ContainsFunc(p.Places, func(p runnables.Place) bool { return len(p.Devices) > 0 })
	if o := q.Resources.Obstacle; o != "" {
		all = append(all, "No instance can be made: "+o+".")
	}
	if o := q.Resources.GPUObstacle; o != "" && onGPU {
		all = append(all, "No instance can be made on a GPU: "+o+".")
	}
	if len(p.Places) > 0 && app.isProcess(q.Runner) {
		for name, value := range p.Places[0].Environment() {
			if own, given := q.Runner.Env[name]; given && own != value {
				all = append(all, fmt.Sprintf("env has %s=%s, which wins over the %s of its place.", name, own, value))
			}
		}
	}
	slices.Sort(all)
	return all
}

// isProcess reports whether the instances of a runner are processes.
func (app App) isProcess(r runnables.Runner) bool {
	kind, _ := app.Runnables.Of(r)
	return kind.Isolated || r.Isolation == runnables.IsolationProcess
}

// resources are what the runnable of a runner can use. To find out can take a
// while: its kind may have to ask a process.
func (app App) resources(ctx context.Context, r runnables.Runner) (runnables.Resources, error) {
	kind, ok := app.Runnables.Of(r)
	switch {
	case !ok:
		return runnables.Resources{}, fmt.Errorf("this binary has no runnable %q", r.Runnable)
	case kind.Describe != nil:
		return kind.Describe(ctx, r)
	default:
		return kind.Resources, nil
	}
}

// deployments are the runners with their places.
func deployments(runners []runnables.Runner, l placement.Layout) []worker.Deployment {
	all := make([]worker.Deployment, len(runners))
	for i, r := range runners {
		all[i] = worker.Deployment{Runner: r, Places: l.Plans[i].Places}
	}
	return all
}

// logLayout says in one line a runner where its instances are and why.
func logLayout(ctx context.Context, log *slog.Logger, runners []runnables.Runner, l placement.Layout) {
	for i, plan := range l.Plans {
		var places []string
		for _, s := range spansOf(plan.Places) {
			places = append(places, s.String())
		}
		log := log.With("runner", runners[i].Name)
		log.InfoContext(ctx, "placed", "instances", len(plan.Places), "where", strings.Join(places, "; "), "why", strings.Join(plan.Why, " "))
		for _, w := range plan.Warnings {
			log.WarnContext(ctx, "placed otherwise than one may think", "warning", w)
		}
	}
	for _, note := range l.Notes {
		log.InfoContext(ctx, "runners share the machine", "note", note)
	}
}

// span is a number of instances in a row that have the same place.
type span struct {
	first, last int
	place       runnables.Place
}

func spansOf(places []runnables.Place) []span {
	var all []span
	for i, p := range places {
		if n := len(all); n > 0 && reflect.DeepEqual(all[n-1].place, p) {
			all[n-1].last = i
			continue
		}
		all = append(all, span{i, i, p})
	}
	return all
}

// instances are their numbers, such as "0" or "0-3".
func (s span) instances() string {
	if s.first == s.last {
		return strconv.Itoa(s.first)
	}
	return fmt.Sprintf("%d-%d", s.first, s.last)
}

// devices are cpu or the GPUs, such as "0,1".
func (s span) devices() string {
	if len(s.place.Devices) == 0 {
		return "cpu"
	}
	return strings.Join(s.place.Devices, ",")
}

// threads are how many, or any.
func (s span) threads() string {
	if s.place.Threads == 0 {
		return "any"
	}
	return strconv.Itoa(s.place.Threads)
}

// String is the span in a log, such as "0-3 on cpu with 1 thread".
func (s span) String() string {
	where := s.instances() + " on " + s.devices()
	if len(s.place.Devices) > 0 {
		where = s.instances() + " on GPU " + s.devices()
	}
	switch s.place.Threads {
	case 0:
		return where
	case 1:
		return where + " with 1 thread"
	default:
		return where + " with " + s.threads() + " threads"
	}
}
