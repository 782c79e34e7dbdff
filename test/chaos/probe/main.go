// Command probe is a service as a user would write it, with a runnable that does
// what its rows say, down to killing its own process. The chaos suite drives it.
//
// Each execution is noted in the file that PROBE_LOG names. A note is one write
// to a file that is opened for appending: it survives the death of the process.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/ekiben/ekiben"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/test/chaos/order"
)

// runner is the one that the suite calls, with the method run of the argument
// order.
const runner = "probe"

func main() {
	ekiben.Main(ekiben.App{
		Runnables: runnables.Kinds{"probe": {New: newProbe}},
		Runners: []runnables.Runner{{
			Name: runner, Runnable: "probe", Replicas: 1, MaxBatchSize: 16, MaxLatency: 20 * time.Millisecond,
		}},
	})
}

// probe is an instance.
type probe struct{ log *os.File }

func newProbe(context.Context, runnables.Setup) (runnables.Runnable, error) {
	log, err := os.OpenFile(os.Getenv("PROBE_LOG"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	p := probe{log}
	instance, err := runnables.New(runnables.Batch("run", "order", p.run))
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	instance.OnClose = log.Close
	return instance, nil
}

// fixed is what a batch costs, whatever its rows.
const fixed = 4 * time.Millisecond

// run does what the rows say. The batch takes as long as its longest row; then
// poison kills the process, and what was told to fails.
func (p probe) run(ctx context.Context, rows [][]byte) ([][]byte, error) {
	orders, failed, longest := make([]order.Order, len(rows)), runnables.RowErrors{}, fixed
	for i, row := range rows {
		var err error
		if orders[i], err = order.Parse(string(row)); err != nil {
			return nil, runnables.InputErrorf("%v", err)
		}
		longest = max(longest, orders[i].Sleep)
	}
	if err := p.note(orders, false); err != nil {
		return nil, err
	}
	began := time.Now()
	if err := wait(ctx, longest); err != nil {
		return nil, err
	}
	stale := time.Since(began) > longest+order.StaleAfter
	answers := make([][]byte, len(rows))
	for i, o := range orders {
		if err := p.obey(o, stale); err != nil {
			failed[i] = err
		}
		answers[i] = []byte(o.Answer())
	}
	if err := p.note(orders, true); err != nil {
		return nil, err
	}
	if len(failed) > 0 {
		return answers, failed
	}
	return answers, nil
}

// obey does what one row says, but for its answer. stale: the process stood still.
func (p probe) obey(o order.Order, stale bool) error {
	switch o.Do {
	case order.Poison:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal may take a moment
	case order.Fail:
		return errors.New("told to fail")
	case order.Again:
		n, err := p.count(o.Call)
		if err == nil && n <= o.Fails {
			err = runnables.Retryable(errors.New("told to fail for now"))
		}
		return err
	case order.Stale:
		if stale {
			return errors.New("stood still")
		}
	case order.Answer:
	}
	return nil
}

// count says how many executions of a call came so far, this one included: each
// leaves a byte in a file of the call.
func (p probe) count(call int) (int, error) {
	f, err := os.OpenFile(fmt.Sprintf("%s.%d", p.log.Name(), call), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, fmt.Errorf("probe: %w", err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteString("."); err != nil {
		return 0, fmt.Errorf("probe: %w", err)
	}
	n, err := f.Seek(0, io.SeekCurrent) // behind the byte of this execution
	return int(n), err
}

// note writes a line for each row, all in one write.
func (p probe) note(orders []order.Order, ended bool) error {
	var b strings.Builder
	for _, o := range orders {
		b.WriteString(order.Line{Ended: ended, Call: o.Call, PID: os.Getpid(), At: time.Now()}.String())
	}
	_, err := p.log.WriteString(b.String())
	return err
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
