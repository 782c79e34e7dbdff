package runnables_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// A runnable of one's own: a kind, and a function for each method.
func Example() {
	type stats struct {
		Words int `json:"words"`
		Chars int `json:"chars"`
	}
	kind := runnables.Kind{New: func(context.Context, runnables.Setup) (runnables.Runnable, error) {
		return runnables.New(
			runnables.Batch("stats", "texts", func(_ context.Context, texts []string) ([]stats, error) {
				out := make([]stats, len(texts))
				for i, text := range texts {
					out[i] = stats{Words: len(strings.Fields(text)), Chars: len(text)}
				}
				return out, nil
			}),
			runnables.Single("is_short", "text", func(_ context.Context, text string) (bool, error) {
				return len(text) < 10, nil
			}))
	}}

	// What a worker does with it:
	instance, err := kind.New(context.Background(), runnables.Setup{})
	if err != nil {
		fmt.Println(err)
		return
	}
	method := instance.Methods()[0]
	texts, _ := tensor.OfStrings([]int{2}, []string{"box lunch", "one more for the train"})
	outputs, err := method.Run(context.Background(), []tensor.Tensor{texts})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(method.Inputs[0].Name, method.Inputs[0], "->", method.Outputs[0])
	for _, row := range outputs[0].Strings() {
		fmt.Println(row)
	}
	// Output:
	// texts BYTES [-1] of text -> BYTES [-1] of json
	// {"words":2,"chars":9}
	// {"words":5,"chars":22}
}

// Several arguments are the fields of a struct.
func ExampleBatchArgs() {
	type order struct {
		Item  string  `json:"item"`
		Count int     `json:"count"`
		Price float64 `json:"price"`
	}
	total := runnables.BatchArgs("total", func(_ context.Context, orders []order) ([]float64, error) {
		out := make([]float64, len(orders))
		for i, o := range orders {
			out[i] = float64(o.Count) * o.Price
		}
		return out, nil
	})
	for _, in := range total.Inputs {
		fmt.Println(in.Name, in)
	}
	// Output:
	// item BYTES [-1] of text
	// count INT64 [-1]
	// price FP64 [-1]
}

// Single rows fail without failing their batch.
func ExampleRowErrors() {
	halve := runnables.Batch("halve", "n", func(_ context.Context, in []int) ([]int, error) {
		out, failed := make([]int, len(in)), runnables.RowErrors{}
		for i, n := range in {
			if out[i] = n / 2; n%2 != 0 {
				failed[i] = runnables.InputErrorf("%d is odd, want an even number", n)
			}
		}
		return out, failed
	})
	in, _ := tensor.Of([]int{3}, []int64{4, 7, 8})
	outputs, err := halve.Run(context.Background(), []tensor.Tensor{in})
	halves, _ := tensor.Values[int64](outputs[0])
	fmt.Println(halves[0], halves[2])
	if failed, ok := errors.AsType[runnables.RowErrors](err); ok {
		fmt.Println(failed.In(1, 2))
	}
	// Output:
	// 2 4
	// invalid input: 7 is odd, want an even number
}
