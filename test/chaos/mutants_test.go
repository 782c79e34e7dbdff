package chaos_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ekiben/ekiben/internal/processes"
	"github.com/ekiben/ekiben/test/chaos/history"
)

// mutant is a way to build Ekiben wrong. Whoever cannot tell it from the right
// one proves nothing.
type mutant struct {
	name string

	// In the file, old is replaced. It must be there once.
	file, old, new string

	// scenario is where it must show.
	scenario scenario

	// repeats is how many of a hundred calls may be executed again; negative is
	// any number.
	repeats int
}

// mutants are what must be found.
func mutants() []mutant {
	return []mutant{
		{
			name: "acknowledge before execution", file: "queue/scripts/cut.lua",
			old: `alone, taken, bytes = single, taken + vr, bytes + #fs[2]`,
			new: `alone, taken, bytes = single, taken + vr, bytes + #fs[2]
		call("XACK", KEYS[lane], GROUP, id)
		call("XDEL", KEYS[lane], id)`,
			scenario: scenario{faults: []fault{killWorker(1)}, from: 200 * time.Millisecond, to: 600 * time.Millisecond, mix: &mix{jobs: 0.5, work: 100 * time.Millisecond}},
			repeats:  -1,
		},
		{
			name: "trim", file: "queue/scripts/accept.lua",
			old:      `"*", "e"`,
			new:      `"MAXLEN", "50", "*", "e"`,
			scenario: scenario{rate: 150, script: pileUp, mix: &mix{jobs: 0.5, work: 20 * time.Millisecond}},
			repeats:  -1,
		},
		{
			name: "no compare-and-set", file: "queue/scripts/lib.lua",
			old:      `if not was or terminal(was) then return false end`,
			new:      `if not was then return false end`,
			scenario: scenario{mix: &mix{jobs: 1, cancel: 0.5, work: 80 * time.Millisecond}},
			repeats:  -1,
		},
		{
			name: "renewal that steals", file: "queue/scripts/owned.lua",
			old:      `if owner(lane, id) == consumer then`,
			new:      `if owner(lane, id) then`,
			scenario: scenario{rate: 4, long: 14 * time.Second, script: stopEach, mix: &mix{jobs: 0.5, work: 5 * lease / 2, even: true, stale: true}},
			repeats:  -1,
		},
		{
			name: "no renewal", file: "queue/scripts/owned.lua",
			old:      `call("XCLAIM", KEYS[lane], GROUP, consumer, 0, id, "JUSTID")`,
			new:      ``,
			scenario: scenario{rate: 5, long: 12 * time.Second, mix: &mix{jobs: 0.5, work: 5 * lease / 2, even: true}},
			repeats:  5,
		},
	}
}

// Each mutant is found by the scenario that is made for it, and the same
// scenario finds nothing wrong with what is not mutated.
func TestMutants(t *testing.T) { //nolint:paralleltest // scenarios need the machine for themselves
	need(t)
	if !*long {
		t.Skip("run with -long")
	}
	ran, killed := 0, 0
	for _, m := range mutants() { //nolint:paralleltest // as above
		t.Run(m.name, func(t *testing.T) {
			ran++
			if found := m.find(t, probe, "control"); len(found) > 0 {
				t.Errorf("what is not mutated: %s", strings.Join(found, "; "))
			}
			found := m.find(t, m.build(t), "mutant")
			if len(found) == 0 {
				t.Error("the mutant lives")
				return
			}
			killed++
			t.Logf("killed by %d findings, the first: %s", len(found), found[0])
		})
	}
	t.Logf("mutants killed %d/%d", killed, ran)
}

// find says what is wrong with a binary, and keeps the history of it if there is
// something.
func (m mutant) find(t *testing.T, binary func() (string, error), as string) []string {
	t.Helper()
	s := m.scenario
	s.name, s.long, s.patience = m.name, cmp.Or(s.long, 8*time.Second), 25*time.Second
	// A lost call is found soon.
	s.setup = setup{binary: binary, gateways: 2, workers: 3, env: []string{"EKIBEN_REQUEST_TIMEOUT=20s"}}
	report, events := s.run(t, *seedFlag)
	var found []string
	for _, v := range report.Violations {
		found = append(found, v.String())
	}
	if report.Executions == 0 {
		t.Error("nothing was executed")
	}
	if m.repeats >= 0 && 100*report.Repeats > m.repeats*report.Submitted {
		found = append(found, fmt.Sprintf("%d calls were executed %d times too often, want at most %d %%", report.Submitted, report.Repeats, m.repeats))
	}
	if len(found) > 0 {
		if err := history.Write(filepath.Join(*outDir, "ekiben-"+as+"-"+strings.ReplaceAll(m.name, " ", "-")+".jsonl"), events); err != nil {
			t.Error(err)
		}
	}
	return found
}

// build builds the mutant.
func (m mutant) build(t *testing.T) func() (string, error) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, m.file))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		t.Fatalf("%s has %q %d times, want once: the mutant must be written anew", m.file, m.old, n)
	}
	dir := t.TempDir()
	mutated, overlay := filepath.Join(dir, "mutated"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {path: mutated}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		os.WriteFile(mutated, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o600),
		os.WriteFile(overlay, replace, 0o600),
	); err != nil {
		t.Fatal(err)
	}
	return processes.Builder(root, "./test/chaos/probe", "-overlay", overlay)
}

// pileUp stops all workers for less than a lease, again and again, so that calls
// wait.
func pileUp(ctx context.Context, c *cluster, _ *rand.Rand) {
	for ctx.Err() == nil {
		pause(ctx, lease/2)
		c.fault("stop all workers")
		for _, w := range c.workers {
			w.now().Signal(syscall.SIGSTOP)
		}
		pause(ctx, lease*3/4)
		for _, w := range c.workers {
			w.now().Signal(syscall.SIGCONT)
		}
	}
}

// stopEach stops one worker after the other, each for a while: long enough
// for others to take over what it has, and too short for them to finish it.
func stopEach(ctx context.Context, c *cluster, _ *rand.Rand) {
	for i := 0; ctx.Err() == nil; i++ {
		pause(ctx, lease/4)
		c.fault("stop worker")
		p := c.workers[i%len(c.workers)].now()
		p.Signal(syscall.SIGSTOP)
		pause(c.t.Context(), 13*lease/4)
		p.Signal(syscall.SIGCONT)
	}
}
