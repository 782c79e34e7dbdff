package ekiben

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
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
		if err != nil {
			errs = append(errs, fmt.Errorf("runner %q: %w", r.Name, err))
		}
		requests[i] = placement.Request{Runner: r, Resources: resources}
	}
	if err := errors.Join(errs...); err != nil {
		return placement.Layout{}, err
	}
	return placement.Make(m, app.Strategies, requests)
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
