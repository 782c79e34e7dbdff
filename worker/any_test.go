package worker_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// undeclared answers its argument x twice, and says nothing of what it answers.
// bias may be left out.
func undeclared() runnables.Method {
	return runnables.Method{
		Signature: runnables.Signature{
			Name: "run", Batchable: true,
			Inputs: []runnables.ValueSpec{
				{Name: "x", DType: tensor.Any, Content: runnables.JSON},
				{Name: "bias", DType: tensor.Int64, Shape: []int{-1}, Optional: true},
			},
		},
		Run: func(_ context.Context, inputs []tensor.Tensor) ([]tensor.Tensor, error) {
			if inputs[1].DType().Valid() {
				return []tensor.Tensor{inputs[0], inputs[1]}, nil
			}
			return []tensor.Tensor{inputs[0], inputs[0]}, nil
		},
	}
}

func TestOutputsThatAreNotDeclaredAreNumbered(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		many := make([]int64, 20) // more than a batch: in pieces
		calls := []queue.Delivery{call(1, 5), call(2, many...), call(3, 7)}
		bias, err := tensor.Of([]int{1}, []int64{3})
		if err != nil {
			t.Fatal(err)
		}
		calls[2].Inputs = append(calls[2].Inputs, tensor.Named{Name: "bias", Tensor: bias})
		calls[2].Group += " with bias"
		q.put(calls...)
		s := play(t, q, options(), kindOf(undeclared()))
		time.Sleep(time.Second)
		s.end()
		for id, want := range map[string][2]string{"1": {"[5]", "[5]"}, "2": {fmt.Sprint(many), fmt.Sprint(many)}, "3": {"[7]", "[3]"}} {
			r := q.replies[id]
			if len(r.Outputs) != 2 || r.Outputs[0].Name != "result_0" || r.Outputs[1].Name != "result_1" {
				t.Errorf("call %s is answered %v %v", id, r.Outputs, r.Err)
				continue
			}
			for o := range want {
				if got := partsOf([]tensor.Tensor{r.Outputs[o].Tensor}); got != want[o] {
					t.Errorf("call %s has output %d %s, want %s", id, o, got, want[o])
				}
			}
		}
	})
}
