package process

import (
	"log/slog"
	"maps"
	"os"
	"slices"

	"github.com/ekiben/ekiben/runnables"
)

// setup is what an instance is made of in the process that it is.
func (m startMessage) setup() runnables.Setup {
	r := runnables.Runner{
		Name: m.Runner, Runnable: m.Runnable, Init: m.Init, Models: m.Models, MaxBatchSize: m.MaxBatchSize,
	}
	for _, name := range slices.Sorted(maps.Keys(m.Batchable)) {
		r.Methods = append(r.Methods, runnables.MethodLimits{Name: name, MaxBatchSize: m.Batchable[name]})
	}
	return runnables.Setup{
		Runner:   r.WithDefaults(),
		Instance: m.Instance,
		Place:    runnables.Place{Devices: m.Place.Devices, Threads: m.Place.Threads},
		Log:      slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
}
