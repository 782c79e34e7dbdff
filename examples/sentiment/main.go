// Command sentiment is a service that says whether a text is positive. It can do
// all that the stock ekiben can; start with
//
//	go run ./examples/sentiment serve
//	curl -X POST -H "content-type: application/text" --data "BentoML is great" http://127.0.0.1:3000/analysis
package main

import (
	"context"

	"github.com/ekiben/ekiben"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/sentiment"
)

// runner is the deployment of the runnable that the service calls.
const runner = "sentiment"

// Analysis is the answer of the service.
type Analysis struct {
	IsPositive bool `json:"is_positive"`
}

func analysis(ctx context.Context, c *ekiben.Client, text string) (Analysis, error) {
	positive, err := ekiben.Run[bool](ctx, c, runner, "is_positive", text)
	return Analysis{IsPositive: positive}, err
}

func main() {
	ekiben.Main(ekiben.App{
		Runnables: runnables.Kinds{"sentiment": sentiment.Kind()},
		Runners:   []runnables.Runner{{Name: runner, Runnable: "sentiment"}},
		Services: []ekiben.Service{{
			Name: "sentiment_analyzer",
			APIs: []ekiben.API{ekiben.Handle("/analysis", analysis)},
		}},
	})
}
