package process

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/ekiben/ekiben/runnables"
)

// Command is the program that an instance is.
type Command struct {
	// Path is the program, Args are its arguments.
	Path string
	Args []string

	// Dir is its working directory. Empty means the folder of the runner.
	Dir string

	// Prepare makes sure, before each start, that what the program needs is there;
	// nil if there is nothing to do.
	Prepare func() error

	// Env are variables of its environment that it needs to work, which win over
	// those of the runner.
	Env map[string]string
}

// Variables of the protocol.
const (
	channelVariable  = "EKIBEN_CHANNEL"
	regionsVariable  = "EKIBEN_REGIONS"
	runnerVariable   = "EKIBEN_RUNNER"
	instanceVariable = "EKIBEN_INSTANCE"
)

// The file descriptors that a process is born with: the channel, the region of
// inputs, and the regions of outputs.
const (
	channelFD   = 3
	inputFD     = 4
	outputSlots = 3
)

// Environment is what the process finds in its environment beside the protocol's
// variables, as NAME=value: what this process has, without what is none of its
// business, its place, what the runner says, and what the command needs. Later
// ones win.
func (c Command) Environment(s runnables.Setup) []string {
	env := map[string]string{}
	for _, entry := range os.Environ() {
		if name, v, ok := strings.Cut(entry, "="); ok && !private(name) {
			env[name] = v
		}
	}
	maps.Copy(env, s.Place.Environment())
	maps.Copy(env, s.Runner.Env)
	maps.Copy(env, c.Env)
	entries := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		entries = append(entries, name+"="+env[name])
	}
	return entries
}

// protocolVariables tell the process who it is and what it was born with.
func protocolVariables(s runnables.Setup) []string {
	regions := make([]string, 1+outputSlots)
	for i := range regions {
		regions[i] = strconv.Itoa(inputFD + i)
	}
	return []string{
		channelVariable + "=" + strconv.Itoa(channelFD),
		regionsVariable + "=" + strings.Join(regions, ","),
		runnerVariable + "=" + s.Runner.Name,
		instanceVariable + "=" + strconv.Itoa(s.Instance),
	}
}

// private reports whether a variable is not for instances: addresses and
// credentials of this process. A runner may give them in its own environment.
func private(name string) bool {
	return slices.ContainsFunc([]string{"EKIBEN_", "REDIS", "AWS_", "AZURE_", "GOOGLE_"}, func(prefix string) bool {
		return strings.HasPrefix(name, prefix)
	})
}

// startOf is what the process is told to make.
func startOf(s runnables.Setup, describe bool) startMessage {
	devices := make([]string, len(s.Place.Devices))
	for i := range devices {
		devices[i] = strconv.Itoa(i)
	}
	limits := map[string]int{}
	for _, m := range s.Runner.Methods {
		if m.MaxBatchSize != 0 {
			limits[m.Name] = m.MaxBatchSize
		}
	}
	return startMessage{
		Protocol: protocolVersion,
		Runner:   s.Runner.Name, Instance: s.Instance,
		Runnable: s.Runner.Runnable, Target: s.Runner.Target(),
		Init: s.Runner.Init, Models: s.Runner.Models, Describe: describe,
		MaxBatchSize: s.Runner.MaxBatchSize, Batchable: limits,
		Place: placeMessage{Devices: devices, Threads: s.Place.Threads},
	}
}
