package gateway

import (
	"math"
	"slices"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
)

const (
	// learntBatches is how many batches a worker must have run before its cost
	// model counts: the first are often the slowest.
	learntBatches = 8

	// sureRounds is how many batches each instance must have run, and sureAfter how
	// long it must have taken, for what was done to be the rate.
	sureRounds = 4
	sureAfter  = 2 * time.Second

	// countedOn is the part of any rate that calls are let in by. Where calls are let in up
	// to the last moment, all of them begin just in time and end too late.
	countedOn = 0.9
)

// estimate is how fast a runner is expected to work calls off. It is on the fast
// side where it is not sure, since calls are refused on it.
type estimate struct {
	// rowTime is how long the whole runner needs for a row, 0 if that is not
	// known.
	rowTime time.Duration
	// admitted is the time per row that calls are let in by: a little more.
	admitted time.Duration
	// rowsPerCall is the mean size of the calls that wait.
	rowsPerCall float64
}

// estimateOf estimates from stats, the oldest first, and the workers that live.
// While there is more than a full batch for each instance, what was finished
// meanwhile bounds the rate from both sides; within that, and without, it is what
// the cost models promise.
func estimateOf(spec *runnables.Spec, samples []queue.Stats, workers []queue.Heartbeat) estimate {
	if len(samples) == 0 {
		return estimate{}
	}
	batch := largestBatch(spec)
	e := estimate{rowsPerCall: meanRows(samples[0], samples[len(samples)-1])}
	round := 0
	for _, w := range workers {
		if !w.Draining {
			round += w.Instances * batch
		}
	}
	rate := promised(batch, workers)
	if least, most, ok := measured(samples, round); ok {
		if rate == 0 {
			rate = most
		}
		rate = min(max(rate, least), most)
	}
	if rate > 0 {
		perRow := min(1/rate, longestTimeout.Seconds())
		e.rowTime, e.admitted = coarse(perRow), coarse(perRow/countedOn)
	}
	return e
}

// largestBatch is the largest of all methods, in rows.
func largestBatch(spec *runnables.Spec) int {
	most := 1
	for _, m := range spec.Methods {
		most = max(most, m.MaxBatchSize)
	}
	return most
}

// promised is how many rows a second the instances do at best, by the cost models
// of their workers; 0 if there is none. A model is only taken at its word for
// batches of the size that it was learnt from: a full one takes at least as long,
// and how much longer is not known before there were some. Workers without a model
// are like the others.
func promised(batch int, workers []queue.Heartbeat) float64 {
	rate, known, all := 0.0, 0, 0
	for _, w := range workers {
		if w.Draining {
			continue
		}
		all += w.Instances
		if w.Batches < learntBatches {
			continue
		}
		usual := min(float64(w.Rows)/float64(w.Batches), float64(batch))
		if took := (w.FixedMS + w.PerRowMS*max(usual, 1)) / 1000; took > 0 {
			rate += float64(w.Instances*batch) / took
			known += w.Instances
		}
	}
	if known == 0 {
		return 0
	}
	return rate * float64(all) / float64(known)
}

// measured bounds how many rows a second are done while a round of full batches
// waits all the time; ok is false if none does. Once that was long enough it is what
// was done. Before, what ended in that time was done in it, except for what was in
// hand when it began; and what is in hand at its end may be almost done.
func measured(samples []queue.Stats, round int) (least, most float64, ok bool) {
	last := samples[len(samples)-1]
	var began queue.Stats
	for _, s := range slices.Backward(samples) {
		if !busy(s, round) || s.Workers != last.Workers {
			break
		}
		began = s
		seconds := (last.At - s.At).Seconds()
		rows := last.FinishedRows - s.FinishedRows
		if seconds >= sureAfter.Seconds() && rows >= int64(sureRounds*round) {
			rate := float64(rows) / seconds
			return rate, rate, true
		}
	}
	seconds := (last.At - began.At).Seconds()
	rows := float64(last.FinishedRows - began.FinishedRows)
	left := float64(endedCalls(last) - endedCalls(began) - (last.Finished - began.Finished))
	if began.Workers == 0 || seconds <= 0 || rows < 0 || left < 0 {
		return 0, 0, false // no backlog, only its beginning, or Redis was flushed
	}
	perCall := meanRows(began, last)
	least = max(rows-perCall*float64(began.Depth-began.Waiting), 0) / seconds
	most = (rows + perCall*(left+float64(last.Depth-last.Waiting))) / seconds
	return least, most, most > 0
}

// busy reports whether so many rows wait that no instance can be idle.
func busy(s queue.Stats, round int) bool {
	return s.Workers > 0 && s.Gate != queue.GatePaused && round > 0 && s.WaitingRows >= round
}

// meanRows is the mean size of calls: of those that wait or of those that were
// finished, whichever is larger; 1 if there is neither.
func meanRows(began, last queue.Stats) float64 {
	mean := 1.0
	if last.Waiting > 0 {
		mean = max(mean, float64(last.WaitingRows)/float64(last.Waiting))
	}
	if calls := last.Finished - began.Finished; calls > 0 {
		mean = max(mean, float64(last.FinishedRows-began.FinishedRows)/float64(calls))
	}
	return mean
}

// coarse is a time in seconds with two significant digits: calls with the same
// bounds are accepted together.
func coarse(seconds float64) time.Duration {
	ns := seconds * float64(time.Second)
	if ns < 1 {
		return 0
	}
	step := math.Pow(10, math.Floor(math.Log10(ns))-1)
	if step < 1 {
		step = 1
	}
	return time.Duration(math.Round(ns/step) * step)
}

// wait is how long a call waits that has so many before it; ok is false if that
// is not known.
func (e estimate) wait(ahead int) (wait time.Duration, ok bool) {
	if e.rowTime == 0 || ahead < 0 {
		return 0, false
	}
	wait = time.Duration(min(float64(ahead)*e.rowsPerCall*e.rowTime.Seconds(), longestTimeout.Seconds()) * float64(time.Second))
	return wait, true
}
