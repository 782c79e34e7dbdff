package queue

import (
	"context"
	"fmt"
	"slices"
)

// Gate says what the queue of a runner lets through.
type Gate string

// The states of a gate.
const (
	// GateOpen lets calls in and out.
	GateOpen Gate = "open"
	// GatePaused takes calls in and gives none to workers.
	GatePaused Gate = "paused"
	// GateDraining takes none in, and gives to workers what is there.
	GateDraining Gate = "draining"
)

// gates by number, as scripts know them.
func gates() []Gate { return []Gate{GateOpen, GatePaused, GateDraining} }

// SetGate says what the queue of a runner lets through from now on. It returns
// [ErrUnknownRunner] for a runner that was never announced.
func (q *Queue) SetGate(ctx context.Context, runner string, g Gate) error {
	n := slices.Index(gates(), g)
	if n < 0 {
		return fmt.Errorf("queue: there is no gate %q", g)
	}
	if _, err := q.Spec(ctx, runner); err != nil {
		return err
	}
	if _, err := q.scripts.run(ctx, &q.scripts.gate, q.keys.shardKeys(runner), n); err != nil {
		return unavailable("set the gate of "+runner, err)
	}
	return nil
}
