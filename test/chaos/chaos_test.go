package chaos_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ekiben/ekiben/test/chaos/history"
)

// Every scenario is played once, or again and again with other seeds. One is
// chosen by its name: -run TestScenarios/kills.
func TestScenarios(t *testing.T) { //nolint:paralleltest // scenarios need the machine for themselves
	need(t)
	total := history.Report{}
	for began, seed := time.Now(), *seedFlag; ; seed++ {
		for _, s := range scenarios() {
			t.Run(fmt.Sprintf("%s seed %d", s.name, seed), func(t *testing.T) {
				total = total.Sum(s.play(t, seed))
			})
		}
		if t.Failed() || time.Since(began) > *duration {
			break
		}
	}
	t.Logf("all together\n%s", total.Table(lease))
}

// fsyncAlways has Redis lose nothing when it is killed. With everysec it may: while
// it waits for the disk it answers before it has written.
func fsyncAlways() []string { return []string{"--appendfsync", "always"} }

// scenarios are those of the short run, or of the long one.
func scenarios() []scenario {
	few := setup{gateways: 2, workers: 3}
	proxied := setup{gateways: 2, workers: 3, proxied: true}
	always := setup{gateways: 2, workers: 3, redis: fsyncAlways()}
	proxiedAlways := setup{gateways: 2, workers: 3, proxied: true, redis: fsyncAlways()}
	slow := setup{gateways: 2, workers: 3, tasks: 2, redis: fsyncAlways()}
	later := []fault{killWorker(4), killGateway(2), killTasks(4), killRedis(1)}
	kills := []fault{killWorker(6), killGateway(3), killRedis(1)}
	strain := append(networks(), stopWorker(4), stopGateway(2), slowReaders(1))
	from, to := 500*time.Millisecond, 1500*time.Millisecond
	if *long {
		from, to = from/2, to/2
	}
	all := []scenario{
		{name: "kills", setup: always, long: 60 * time.Second, faults: kills, from: from, to: to},
		{name: "network", setup: proxied, long: 35 * time.Second, faults: strain, from: 100 * time.Millisecond, to: 500 * time.Millisecond, injectors: 2},
		{name: "later", setup: slow, rate: 40, mix: &slowPath, batches: 5, long: 30 * time.Second, faults: later, from: from, to: to, patience: 150 * time.Second},
		{name: "memory", setup: few, rate: 150, long: 12 * time.Second, script: fillMemory},
		{name: "flush", setup: few, long: 8 * time.Second, script: flushAll, after: succeedsAfterLoss},
		{name: "rolling", setup: few, long: 15 * time.Second, mix: &awaited, script: rollingRestart, after: reportFailed},
	}
	if *long {
		all = append(all,
			// One fault at a time: what is in flight has recovered before the next.
			scenario{name: "recovery", setup: few, mix: &harmless, rate: 150, long: 60 * time.Second, faults: []fault{killWorker(1)}, from: 3 * time.Second, to: 5 * time.Second},
			scenario{name: "redis everysec", setup: few, mayLose: true, long: 30 * time.Second, faults: []fault{killRedis(1)}, from: time.Second, to: 3 * time.Second},
			scenario{name: "redis always", setup: always, long: 30 * time.Second, faults: []fault{killRedis(1)}, from: time.Second, to: 3 * time.Second},
			scenario{name: "everything", setup: proxiedAlways, long: 60 * time.Second, faults: append(slices.Clip(kills), strain...), from: 100 * time.Millisecond, to: 700 * time.Millisecond},
		)
	}
	return all
}
