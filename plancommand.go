package ekiben

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/worker/placement"
)

// planOptions are the flags of the command that shows placement.
type planOptions struct {
	config, format string
	only           []string
	// cpus and gpus, where they are set, pretend another machine.
	cpus float64
	gpus int
}

// planCommand shows where instances would be, and starts nothing but what kinds
// need to know what their runnables can use.
func (app App) planCommand() *cobra.Command {
	var o planOptions
	c := &cobra.Command{
		Use:   "plan",
		Short: "Show where a worker on this machine would have the instances of each runner, and why",
		Long: "Show for every runner how many instances a worker on this machine would make, on\n" +
			"which devices, with which threads and environment, and why. Nothing is served. With\n" +
			"--cpus and --gpus it is that of a machine which has so many.",
		Example: "  ekiben runners plan\n  ekiben runners plan --cpus 16 --gpus 4 -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := app.plan(cmd, o)
			if err != nil {
				return err
			}
			answer, err := json.Marshal(v)
			if err != nil {
				return fmt.Errorf("write the plan: %w", err)
			}
			return show(cmd.OutOrStdout(), o.format, answer, planTable)
		},
	}
	c.Flags().StringVarP(&o.config, "config", "c", "", "runners file (EKIBEN_CONFIG)")
	c.Flags().StringArrayVar(&o.only, "runner", nil, "show only this runner; may be repeated")
	c.Flags().Float64Var(&o.cpus, "cpus", 0, "pretend that the machine has so many cores")
	c.Flags().IntVar(&o.gpus, "gpus", 0, "pretend that the machine has so many GPUs")
	addOutput(c, &o.format)
	return c
}

// plan makes the plan that the command shows.
func (app App) plan(cmd *cobra.Command, o planOptions) (planView, error) {
	ctx := cmd.Context()
	s, _, err := readSettings()
	if err != nil {
		return planView{}, err
	}
	if o.config != "" {
		s.Config = o.config
	}
	log := s.logger()
	runners, err := app.runners(s, o.only, log)
	if err != nil {
		return planView{}, err
	}
	h := lookAtHardware(ctx, log)
	defer func() { _ = h.close() }()
	if cmd.Flags().Changed("cpus") {
		if !(o.cpus > 0) || math.IsInf(o.cpus, 0) {
			return planView{}, fmt.Errorf("--cpus is %v, want more than 0", o.cpus)
		}
		h.machine.CPUs, h.cpusFrom = o.cpus, "--cpus"
	}
	if cmd.Flags().Changed("gpus") {
		if o.gpus < 0 || o.gpus > mostPretended {
			return planView{}, fmt.Errorf("--gpus is %d, want 0 to %d", o.gpus, mostPretended)
		}
		h.machine.GPUs, h.machine.NoGPUs, h.machine.Unseen = nil, "--gpus 0", false
		for i := range o.gpus {
			h.machine.GPUs = append(h.machine.GPUs, placement.WholeGPU(i, "", "pretended", 0))
		}
	}
	return app.viewPlan(ctx, runners, h)
}

// mostPretended is how many GPUs --gpus may have.
const mostPretended = 1024

// planView is a plan as the command prints it.
type planView struct {
	Machine machineView   `json:"machine"`
	Runners []runnerPlans `json:"runners"`
	// Notes are about all runners together.
	Notes []string `json:"notes"`
}

type machineView struct {
	CPUs     float64   `json:"cpus"`
	CPUsFrom string    `json:"cpus_from"`
	GPUs     []gpuView `json:"gpus"`
	// NoGPUs is why there are none.
	NoGPUs string `json:"no_gpus,omitempty"`
}

type gpuView struct {
	ID          string `json:"id"`
	UUID        string `json:"uuid,omitempty"`
	Name        string `json:"name,omitempty"`
	MemoryBytes uint64 `json:"memory_bytes,omitempty"`
	// UsedBytes and Processes are what the GPU is used for now: emptier ones are
	// taken first.
	UsedBytes uint64 `json:"used_bytes,omitempty"`
	Processes int    `json:"processes,omitempty"`
}

// runnerPlans is the plan of one runner.
type runnerPlans struct {
	Name     string `json:"name"`
	Runnable string `json:"runnable"`
	Strategy string `json:"strategy"`
	// Isolation is process where every instance is one, with the environment that is
	// shown; else none.
	Isolation runnables.Isolation `json:"isolation"`
	Instances []instancePlan      `json:"instances"`
	// Env are the names of the variables that the runner's own options add to those
	// of the places.
	Env      []string `json:"env,omitempty"`
	Why      []string `json:"why"`
	Warnings []string `json:"warnings"`
}

type instancePlan struct {
	Instance    int               `json:"instance"`
	Devices     []string          `json:"devices"`
	Threads     int               `json:"threads"`
	Environment map[string]string `json:"environment"`
}

// viewPlan places the runners and describes where they are.
func (app App) viewPlan(ctx context.Context, runners []runnables.Runner, h hardware) (planView, error) {
	layout, err := app.place(ctx, runners, h.machine)
	if err != nil {
		return planView{}, err
	}
	v := planView{
		Machine: machineView{CPUs: h.machine.CPUs, CPUsFrom: h.cpusFrom, GPUs: []gpuView{}},
		Notes:   append([]string{}, layout.Notes...),
	}
	for _, g := range h.machine.GPUs {
		v.Machine.GPUs = append(v.Machine.GPUs, gpuView{g.ID, g.UUID, g.Name, g.Memory, g.Used, g.Processes})
	}
	if len(h.machine.GPUs) == 0 {
		v.Machine.NoGPUs = h.machine.NoGPUs
	}
	for i, r := range runners {
		v.Runners = append(v.Runners, app.viewRunnerPlan(r, layout.Plans[i]))
	}
	return v, nil
}

func (app App) viewRunnerPlan(r runnables.Runner, plan placement.Plan) runnerPlans {
	v := runnerPlans{
		Name: r.Name, Runnable: r.Runnable, Strategy: r.Strategy, Isolation: runnables.IsolationNone,
		Why: append([]string{}, plan.Why...), Warnings: append([]string{}, plan.Warnings...),
	}
	if v.Strategy == "" {
		v.Strategy = "default"
	}
	var own map[string]string
	if app.isProcess(r) {
		v.Isolation, own = runnables.IsolationProcess, maps.Clone(r.Env)
	}
	for i, p := range plan.Places {
		environment := p.Environment()
		for name := range environment {
			if value, given := r.Env[name]; given && v.Isolation == runnables.IsolationProcess {
				environment[name] = value // it wins
				delete(own, name)
			}
		}
		v.Instances = append(v.Instances, instancePlan{
			Instance: i, Devices: append([]string{}, p.Devices...), Threads: p.Threads, Environment: environment,
		})
	}
	v.Env = slices.Sorted(maps.Keys(own))
	return v
}

// planTable shows a plan to people: first where all are, then of each runner why.
func planTable(w io.Writer, answer []byte) error {
	var v planView
	if err := json.Unmarshal(answer, &v); err != nil {
		return fmt.Errorf("the plan: %w", err)
	}
	rows := [][]string{{"RUNNER", "INSTANCE", "DEVICES", "THREADS"}}
	for _, r := range v.Runners {
		for _, s := range r.spans() {
			rows = append(rows, []string{r.Name, s.instances(), s.devices(), s.threads()})
		}
	}
	rows = append(rows, []string{""}, []string{v.Machine.line()})
	for _, note := range v.Notes {
		rows = append(rows, []string{note})
	}
	for _, r := range v.Runners {
		rows = append(rows, []string{""}, []string{fmt.Sprintf("%s (%s, strategy %s)", r.Name, r.Runnable, r.Strategy)})
		for _, line := range r.lines() {
			rows = append(rows, []string{"  " + line})
		}
	}
	return writeRows(w, rows)
}

func (r runnerPlans) spans() []span {
	places := make([]runnables.Place, len(r.Instances))
	for i, p := range r.Instances {
		places[i] = runnables.Place{Devices: p.Devices, Threads: p.Threads, Env: p.Environment}
	}
	return spansOf(places)
}

// lines say why, and which environment the instances have.
func (r runnerPlans) lines() []string {
	lines := slices.Clone(r.Why)
	for _, warning := range r.Warnings {
		lines = append(lines, "Warning: "+warning)
	}
	if r.Isolation != runnables.IsolationProcess {
		return append(lines, "The instances are in the worker's process, and have its environment.")
	}
	for _, s := range r.spans() {
		var variables []string
		for _, name := range slices.Sorted(maps.Keys(s.place.Env)) {
			variables = append(variables, name+"="+s.place.Env[name])
		}
		lines = append(lines, fmt.Sprintf("Environment of instance %s: %s", s.instances(), strings.Join(append(variables, r.Env...), " ")))
	}
	return lines
}

// line says what the machine has.
func (m machineView) line() string {
	line := fmt.Sprintf("The machine has %s cores (%s)", strconv.FormatFloat(m.CPUs, 'f', -1, 64), m.CPUsFrom)
	if len(m.GPUs) == 0 {
		return line + " and no NVIDIA GPU (" + m.NoGPUs + ")."
	}
	gpus := make([]string, len(m.GPUs))
	for i, g := range m.GPUs {
		gpus[i] = strings.TrimSpace(g.ID + " " + g.Name)
		if g.MemoryBytes > 0 {
			gpus[i] += fmt.Sprintf(" %d GiB", g.MemoryBytes>>30)
		}
		if g.UsedBytes > 0 {
			gpus[i] += fmt.Sprintf(" (%.1f in use)", float64(g.UsedBytes)/(1<<30))
		}
	}
	return line + " and NVIDIA GPUs " + strings.Join(gpus, ", ") + "."
}
