package chaos_test

import (
	"testing"
	"time"
)

// Workers, gateways and Redis are killed, about one a second.
func TestKills(t *testing.T) { //nolint:paralleltest // scenarios need the machine for themselves
	need(t)
	rounds(t, func(t *testing.T, seed uint64) {
		t.Helper()
		scenario{
			setup: setup{gateways: 2, workers: 3},
			rate:  60, mix: usual, long: 60 * time.Second,
			faults: []fault{killWorker(6), killGateway(3), killRedis(1)},
			from:   500 * time.Millisecond, to: 1500 * time.Millisecond,
			memory: usualMemory,
		}.play(t, seed)
	})
}
