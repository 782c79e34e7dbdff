package simulate

import (
	"slices"
	"time"

	"github.com/ekiben/ekiben/batching"
)

// Result is what callers and operators would have seen.
type Result struct {
	// Offered calls came; Refused found the queue full, Expired were not started before their deadline, and Served got
	// a reply.
	Offered, Refused, Expired, Served int

	// Mean and the quantiles are of the time from accept to reply of the calls served.
	Mean, P50, P90, P99, Max time.Duration

	// Throughput is rows per second that were executed while calls arrived.
	Throughput float64

	// Batches were taken out of the queue; MeanBatch and MaxBatch are their rows. Runs counts executions, of which a
	// batch has one for each group in it; MeanRun is their rows.
	Batches, MaxBatch, Runs int
	MeanBatch, MeanRun      float64

	// Reasons count the batches by why they went.
	Reasons [batching.Drain + 1]int

	// Asks is how many questions the queue answered.
	Asks int
}

// ledger collects what a Result tells.
type ledger struct {
	offered, refused    int
	batches, runs, asks int
	rows, most, inTime  int
	latencies           []time.Duration
	sum                 time.Duration
	reasons             [batching.Drain + 1]int
}

func (l *ledger) batch(c batching.Cut, r batching.Reason) {
	l.batches++
	l.rows += c.Rows
	l.most = max(l.most, c.Rows)
	l.reasons[r]++
}

func (l *ledger) served(now time.Duration, c call) {
	l.latencies = append(l.latencies, now-c.at)
	l.sum += now - c.at
}

func (w *world) result() Result {
	l := &w.ledger
	r := Result{
		Offered: l.offered, Refused: l.refused, Expired: w.line.expired, Served: len(l.latencies),
		Batches: l.batches, MaxBatch: l.most, Runs: l.runs, Reasons: l.reasons, Asks: l.asks,
		Throughput: float64(l.inTime) / w.Length.Seconds(),
	}
	if r.Served > 0 {
		slices.Sort(l.latencies)
		at := func(q float64) time.Duration { return l.latencies[int(q*float64(r.Served-1)+0.5)] }
		r.Mean, r.P50, r.P90, r.P99, r.Max = l.sum/time.Duration(r.Served), at(0.5), at(0.9), at(0.99), at(1)
		r.MeanBatch, r.MeanRun = float64(l.rows)/float64(l.batches), float64(l.rows)/float64(l.runs)
	}
	return r
}
