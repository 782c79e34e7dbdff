package queuetest

import (
	"testing"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// Suite tests that what open opens keeps the queue's contract. open fills in
// where the queue is; the rest of the configuration is the suite's. except names
// the tests that the back end cannot pass, each with the reason.
func Suite(t *testing.T, open func(*testing.T, queue.Config) Backend, except map[string]string) {
	t.Helper()
	known := map[string]bool{}
	for _, part := range [][]test{
		acceptance, sharing, cutting, precedence, leases, blame, endings, unwanted, records, lists, again, later, hookedTests, letters, aliases,
		gates, audits, refuse, presence, ringing,
	} {
		for _, test := range part {
			known[test.says] = true
			t.Run(test.says, func(t *testing.T) {
				t.Parallel()
				if reason, skip := except[test.says]; skip {
					t.Skip(reason)
				}
				test.run(newScene(t, open(t, config())))
			})
		}
	}
	for name := range except {
		if !known[name] {
			t.Errorf("there is no test %q to except", name)
		}
	}
}

// config is what the tests count on.
func config() queue.Config {
	c := queue.DefaultConfig()
	c.Lease = 2 * time.Second
	c.MaxLostLeases = 3
	c.MaxCrashes = 2
	c.CrashBackoff = 300 * time.Millisecond
	c.Aging = 100 * time.Millisecond
	c.MaxResultBytes = 4096
	c.Retention = time.Minute
	c.WorkerTTL = time.Second
	return c
}

// test is one rule of the contract, in words and as code.
type test struct {
	says string
	run  func(*scene)
}
