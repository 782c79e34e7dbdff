// Package sentiment is a runnable that tells whether English text is positive
// or negative, with the rules and the lexicon of VADER.
//
// Its scores are those of vaderSentiment 3.3.2 for Python, number by number;
// testdata/README.md says how that is known and what was different in the Go
// port that the lexicon comes from.
package sentiment

import (
	"context"
	"math"

	"github.com/ekiben/ekiben/runnables"
)

// Kind makes instances with two methods:
//
//   - scores (batchable) takes texts and answers each with a [Score] as JSON;
//   - is_positive takes one input_text, splits it into sentences and answers
//     whether the mean of their compound scores is above 0. Text without
//     sentences (empty, or white space) has no mean and is not positive.
//
// It has no init parameters. An instance computes on one core and serves one
// batch at a time; the lexicon is loaded once a process.
func Kind() runnables.Kind {
	return runnables.Kind{New: newInstance, Resources: runnables.Resources{Methods: []string{"scores", "is_positive"}}}
}

func newInstance(_ context.Context, s runnables.Setup) (runnables.Runnable, error) {
	if err := s.Runner.Init.Decode(&struct{}{}); err != nil {
		return nil, err
	}
	split, err := sharedSplitter()
	if err != nil {
		return nil, err
	}
	m := model{scorer: NewScorer(), split: split}
	instance, err := runnables.New(
		runnables.Batch("scores", "texts", m.scores),
		runnables.Single("is_positive", "input_text", m.isPositive),
	)
	if err != nil {
		return nil, err
	}
	return instance, nil
}

type model struct {
	scorer *Scorer
	split  splitter
}

func (m model) scores(ctx context.Context, texts []string) ([]Score, error) {
	scores := make([]Score, len(texts))
	for i, text := range texts {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		scores[i] = m.scorer.Score(text)
	}
	return scores, nil
}

func (m model) isPositive(ctx context.Context, text string) (bool, error) {
	// The sign of the mean is that of the sum, which is exact in steps of the
	// fourth decimal.
	sum := 0
	for _, sentence := range m.split(text) {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		sum += int(math.Round(m.scorer.Score(sentence).Compound * 1e4))
	}
	return sum > 0, nil
}
