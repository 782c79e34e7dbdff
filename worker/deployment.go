package worker

import "github.com/ekiben/ekiben/runnables"

// Deployment is a runner with the places of the instances that the worker makes,
// at least one.
type Deployment struct {
	Runner runnables.Runner
	Places []runnables.Place
}

// Anywhere deploys runners with as many instances as they have replicas, at least
// one, that share the machine as they like.
func Anywhere(runners ...runnables.Runner) []Deployment {
	ds := make([]Deployment, len(runners))
	for i, r := range runners {
		ds[i] = Deployment{Runner: r, Places: make([]runnables.Place, max(r.Replicas, 1))}
	}
	return ds
}
