package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ekiben/ekiben/loadtest"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

const (
	sentimentPath   = "/v1/runners/sentiment/scores"
	sentimentRunner = `  - {name: sentiment, runnable: sentiment, max_batch_size: 32, replicas: 1}`
	sentimentRows   = 32 // of a large call
)

// reviews are what is scored: short and long, good and bad.
func reviews() []string {
	return []string{
		"BentoML is great",
		"The food was cold and the waiter ignored us for half an hour.",
		"An absolutely wonderful evening, we will certainly come back!",
		"It works.",
		"I expected more for this price; the battery hardly lasts a day, and the case scratches easily.",
		"Not bad at all, although the second half drags a little.",
		"Terrible. Simply terrible. Never again!!!",
		"Delivery took three days, the parcel was intact, everything as described.",
	}
}

// sentiment is benchmark 3: rows a second over the path against the same method
// called in a loop in this process, a row a call and many rows a call.
func (b *bench) sentiment(ctx context.Context) (_ []Figure, err error) {
	instance, err := b.Kinds["sentiment"].New(ctx, runnables.Setup{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, instance.Close()) }()
	scores, err := methodNamed(instance, "scores")
	if err != nil {
		return nil, err
	}
	small, err := scoreCalls(scores.Inputs[0].Name, 1)
	if err != nil {
		return nil, err
	}
	large, err := scoreCalls(scores.Inputs[0].Name, sentimentRows)
	if err != nil {
		return nil, err
	}
	s, err := b.stack(ctx, "sentiment", topology{gateways: 1, workers: 1, runners: lines(sentimentRunner)}, small[0])
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()

	var loop, single, many rounds
	for range b.times(5) {
		inProcess, err := b.scoreLoop(ctx, scores)
		if err != nil {
			return nil, err
		}
		one, err := b.scorePath(ctx, s, small, 64)
		if err != nil {
			return nil, err
		}
		rows, err := b.scorePath(ctx, s, large, 8)
		if err != nil {
			return nil, err
		}
		loop = append(loop, inProcess)
		single = append(single, one/inProcess)
		many = append(many, rows*sentimentRows/inProcess)
	}
	return []Figure{
		fact(3, "sentiment.scores in a loop in process, a row a call", loop.spread("%.0f rows/s")),
		fact(3, "over the path / in process, 1 row a call, 64 connections", single.spread("%.2f")),
		fact(3, "over the path / in process, 32 rows a call, 8 connections", many.spread("%.2f")),
	}, nil
}

func methodNamed(r runnables.Runnable, name string) (runnables.Method, error) {
	for _, m := range r.Methods() {
		if m.Name == name && len(m.Inputs) == 1 {
			return m, nil
		}
	}
	return runnables.Method{}, fmt.Errorf("the runnable has no method %s of one argument", name)
}

// scoreCalls are calls with a number of rows each, one for each review to begin
// with.
func scoreCalls(argument string, rows int) ([]loadtest.Kind, error) {
	texts := reviews()
	var kinds []loadtest.Kind
	for i := range texts {
		batch := make([]string, rows)
		for row := range batch {
			batch[row] = texts[(i+row)%len(texts)]
		}
		body, err := json.Marshal(map[string][]string{argument: batch})
		if err != nil {
			return nil, err
		}
		kind := call(sentimentPath, "application/json", body)
		kind.Name = fmt.Sprintf("review %d", i)
		kinds = append(kinds, kind)
	}
	return kinds, nil
}

// scoreLoop calls the method, a row at a time, and returns rows a second.
func (b *bench) scoreLoop(ctx context.Context, scores runnables.Method) (float64, error) {
	var inputs [][]tensor.Tensor
	for _, text := range reviews() {
		t, err := tensor.OfStrings([]int{1}, []string{text})
		if err != nil {
			return 0, err
		}
		inputs = append(inputs, []tensor.Tensor{t})
	}
	started, rows := time.Now(), 0
	for time.Since(started) < b.span(3*time.Second) {
		for _, in := range inputs {
			if _, err := scores.Run(ctx, in); err != nil {
				return 0, err
			}
		}
		rows += len(inputs)
	}
	rate := float64(rows) / time.Since(started).Seconds()
	b.Log.InfoContext(ctx, "loop", "rows_per_s", rate)
	return rate, nil
}

// scorePath returns calls a second over the path.
func (b *bench) scorePath(ctx context.Context, s *stack, kinds []loadtest.Kind, connections int) (float64, error) {
	report, err := b.load(ctx, "sentiment", loadtest.Plan{
		Targets: s.targets(), Kinds: kinds, Connections: connections,
		Warmup: b.span(time.Second), Duration: b.span(4 * time.Second),
	})
	if err == nil {
		err = clean(report)
	}
	return report.GoodputPerSecond, err
}
