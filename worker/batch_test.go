package worker_test

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// recorder keeps what a method was called with.
type recorder struct {
	mu   sync.Mutex
	runs []string
}

func (r *recorder) add(method string, rows []int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs = append(r.runs, method+fmt.Sprint(rows))
}

func (r *recorder) String() string { return strings.Join(r.runs, " ") }

// method is [double], recorded.
func (r *recorder) method(name string, hook func(ctx context.Context, rows []int64) error) runnables.Method {
	return double(name, func(ctx context.Context, rows []int64) error {
		r.add(name, rows)
		if hook == nil {
			return nil
		}
		return hook(ctx, rows)
	})
}

// perform queues the calls, lets a worker answer them all, and stops it.
func perform(t *testing.T, kind runnables.Kind, calls ...queue.Delivery) *stage {
	t.Helper()
	q := newFakeQueue()
	q.put(calls...)
	s := play(t, q, options(), kind)
	time.Sleep(10 * time.Second)
	s.end()
	if len(q.replies) != len(calls) || len(q.released) > 0 {
		t.Errorf("%d of %d calls were answered, %v given back", len(q.replies), len(calls), q.released)
	}
	return s
}

func TestCallsRunTogetherInTheOrderOfTheirGroups(t *testing.T) {
	t.Parallel()

	wide := func(id int, group string, values ...int64) queue.Delivery {
		d := call(id, values...)
		d.Group = group
		return d
	}
	for _, tc := range []struct {
		name  string
		calls []queue.Delivery
		want  string
	}{
		{"one call", []queue.Delivery{call(1, 1)}, "run[1]"},
		{"calls of one group", []queue.Delivery{call(1, 1, 2), call(2, 3), call(3, 4)}, "run[1 2 3 4]"},
		{
			"groups that alternate",
			[]queue.Delivery{wide(1, "a", 1), wide(2, "b", 2), wide(3, "a", 3), wide(4, "c", 4), wide(5, "b", 5)},
			"run[1 3] run[2 5] run[4]",
		},
		{"methods that alternate", []queue.Delivery{call(1, 1), callOf("low", 2, 2), call(3, 3)}, "run[1 3] low[2]"},
		{"methods with one group", []queue.Delivery{wide(1, "low", 1), callOf("low", 2, 2)}, "run[1] low[2]"},
		{
			"a method with smaller batches",
			[]queue.Delivery{callOf("low", 1, 1), callOf("low", 2, 2, 3), callOf("low", 3, 4, 5), callOf("low", 4, 6)},
			"low[1 2 3] low[4 5 6]",
		},
		{
			"a call that does not fit the rest",
			[]queue.Delivery{callOf("low", 1, 1, 2), callOf("low", 2, 3, 4), callOf("low", 3, 5)},
			"low[1 2] low[3 4 5]",
		},
		{
			"a call larger than a batch",
			[]queue.Delivery{call(1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17)},
			"run[1 2 3 4 5 6 7 8] run[9 10 11 12 13 14 15 16] run[17]",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				rec := &recorder{}
				q := newFakeQueue()
				q.put(tc.calls...)
				r := options()
				r.Methods = []runnables.MethodLimits{{Name: "low", MaxBatchSize: 3}}
				s := play(t, q, r, kindOf(rec.method("run", nil), rec.method("low", nil)))
				time.Sleep(time.Second)
				s.end()
				if got := rec.String(); got != tc.want {
					t.Errorf("ran %s, want %s", got, tc.want)
				}
				for _, d := range tc.calls {
					id, _ := strconv.Atoi(d.ID)
					q.want(t, id, fmt.Sprint(doubled(ints(d))))
				}
			})
		})
	}
}

var errBroken = errors.New("broken")

// broken fails every batch that has one of the values.
func broken(values ...int64) func(context.Context, []int64) error {
	return func(_ context.Context, rows []int64) error {
		for _, row := range rows {
			if slices.Contains(values, row) {
				return errBroken
			}
		}
		return nil
	}
}

func TestACulpritFailsAlone(t *testing.T) {
	t.Parallel()

	for n := 1; n <= 8; n++ {
		for culprit := range n {
			t.Run(fmt.Sprintf("number %d of %d", culprit, n), func(t *testing.T) {
				t.Parallel()

				rec := bisect(t, n, culprit)
				if most := 1 + 2*bits.Len(uint(n-1)); len(rec.runs) > most {
					t.Errorf("%d executions, want at most %d: %s", len(rec.runs), most, rec)
				}
			})
		}
	}
}

func TestSeveralCulpritsFailAlone(t *testing.T) {
	t.Parallel()

	for a := range 8 {
		for b := range a {
			t.Run(fmt.Sprintf("%d and %d", b, a), func(t *testing.T) {
				t.Parallel()

				bisect(t, 8, a, b)
			})
		}
	}
	t.Run("all", func(t *testing.T) {
		t.Parallel()

		if rec := bisect(t, 8, 0, 1, 2, 3, 4, 5, 6, 7); len(rec.runs) != 15 {
			t.Errorf("%d executions, want 15: each half once", len(rec.runs))
		}
	})
}

// bisect runs a batch of n calls of which some are broken, and checks that these
// fail and the others do not.
func bisect(t *testing.T, n int, culprits ...int) *recorder {
	t.Helper()
	rec := &recorder{}
	synctest.Test(t, func(t *testing.T) {
		var calls []queue.Delivery
		want := map[int]string{}
		var bad []int64
		for i := range n {
			calls = append(calls, call(i, int64(i)))
			want[i] = fmt.Sprint([]int{2 * i})
		}
		for _, c := range culprits {
			bad = append(bad, int64(c))
			want[c] = queue.CodeRunnerFailed
		}
		s := perform(t, kindOf(rec.method("run", broken(bad...))), calls...)
		for i := range n {
			s.queue.want(t, i, want[i])
		}
	})
	return rec
}

func TestOutputsThatDoNotFitNeverShiftResults(t *testing.T) {
	t.Parallel()

	// The method answers the right thing unless 13 is among its rows.
	for name, spoil := range map[string]func([]tensor.Tensor) []tensor.Tensor{
		"no outputs":        func([]tensor.Tensor) []tensor.Tensor { return nil },
		"too many outputs":  func(ts []tensor.Tensor) []tensor.Tensor { return append(ts, ts[0]) },
		"one row too few":   func(ts []tensor.Tensor) []tensor.Tensor { return []tensor.Tensor{numbers(ts[0].Len() - 1)} },
		"one row too many":  func(ts []tensor.Tensor) []tensor.Tensor { return []tensor.Tensor{numbers(ts[0].Len() + 1)} },
		"another data type": func(ts []tensor.Tensor) []tensor.Tensor { return []tensor.Tensor{texts(ts[0].Len())} },
		"a zero tensor":     func([]tensor.Tensor) []tensor.Tensor { return make([]tensor.Tensor, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				m := double("run", nil)
				run := m.Run
				m.Run = func(ctx context.Context, in []tensor.Tensor) ([]tensor.Tensor, error) {
					out, err := run(ctx, in)
					rows, _ := tensor.Values[int64](in[0])
					if slices.Contains(rows, 13) {
						return spoil(out), err
					}
					return out, err
				}
				s := perform(t, kindOf(m), call(1, 1, 2), call(2, 3), call(3, 13), call(4, 4))
				s.queue.want(t, 1, "[2 4]")
				s.queue.want(t, 2, "[6]")
				s.queue.want(t, 3, queue.CodeRunnerFailed)
				s.queue.want(t, 4, "[8]")
			})
		})
	}
}

func numbers(n int) tensor.Tensor {
	t, err := tensor.Of([]int{n}, make([]int64, n))
	if err != nil {
		panic(err)
	}
	return t
}

func texts(n int) tensor.Tensor {
	t, err := tensor.OfStrings([]int{n}, make([]string, n))
	if err != nil {
		panic(err)
	}
	return t
}

func TestAPanicIsTheErrorOfItsCall(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		s := perform(t, kindOf(double("run", func(_ context.Context, rows []int64) error {
			for _, row := range rows {
				if row == 13 {
					panic("unlucky")
				}
			}
			return nil
		})), call(1, 1), call(2, 13), call(3, 3))
		s.queue.want(t, 1, "[2]")
		s.queue.want(t, 2, queue.CodeRunnerFailed)
		s.queue.want(t, 3, "[6]")
		if got := s.queue.replies["2"].Err.Message; got != "the runner panicked" {
			t.Errorf("the client is told %q", got)
		}
		if log := s.log.String(); !strings.Contains(log, "batch_test.go") || !strings.Contains(log, "unlucky") {
			t.Errorf("the log has no stack: %s", log)
		}
		wantMetric(t, s, `ekiben_panics_total{method="run",runner="fake"} 3`)
	})
}

func TestRowErrorsFailTheCallsThatOwnTheRows(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		s := perform(t, kindOf(rec.method("run", func(_ context.Context, rows []int64) error {
			failed := runnables.RowErrors{}
			for i, row := range rows {
				switch row {
				case 13:
					failed[i] = runnables.InputErrorf("unlucky")
				case 14:
					failed[i] = runnables.Retryable(errBroken)
				}
			}
			return failed
		})), call(1, 1, 2), call(2, 3, 13, 5), call(3, 14), call(4, 4))
		s.queue.want(t, 1, "[2 4]")
		s.queue.want(t, 2, queue.CodeInvalidInput)
		s.queue.want(t, 3, queue.CodeRunnerFailed)
		s.queue.want(t, 4, "[8]")
		if !s.queue.replies["3"].Err.Retryable || s.queue.replies["2"].Err.Retryable {
			t.Error("what can be retried is not told apart")
		}
		if rec.String() != "run[1 2 3 13 5 14 4]" {
			t.Errorf("ran %s, want one execution", rec)
		}
	})
}

// Row errors of rows that there are not cannot be told to belong to a call.
func TestRowErrorsBeyondTheBatchFailIt(t *testing.T) {
	t.Parallel()

	for _, row := range []int{-1, 2} {
		synctest.Test(t, func(t *testing.T) {
			m := double("run", nil)
			run := m.Run
			m.Run = func(ctx context.Context, in []tensor.Tensor) ([]tensor.Tensor, error) {
				out, err := run(ctx, in)
				if in[0].Len() == 2 {
					err = runnables.RowErrors{row: errBroken}
				}
				return out, err
			}
			rec := &recorder{}
			counted := m.Run
			m.Run = func(ctx context.Context, in []tensor.Tensor) ([]tensor.Tensor, error) {
				rec.add("run", make([]int64, in[0].Len()))
				return counted(ctx, in)
			}
			s := perform(t, kindOf(m), call(1, 1), call(2, 2))
			s.queue.want(t, 1, "[2]")
			s.queue.want(t, 2, "[4]")
			if want := "run[0 0] run[0] run[0]"; rec.String() != want {
				t.Errorf("row %d failed: ran %s, want %s", row, rec, want)
			}
		})
	}
}

// A method that is wrong about everything fails its call with the row's error.
func TestARowErrorIsToldEvenIfOutputsAreMissing(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		m := double("run", nil)
		m.Run = func(context.Context, []tensor.Tensor) ([]tensor.Tensor, error) {
			return nil, runnables.RowErrors{0: runnables.InputErrorf("unlucky")}
		}
		s := perform(t, kindOf(m), call(1, 1))
		s.queue.want(t, 1, queue.CodeInvalidInput)
	})
}

func TestAPieceThatFailsFailsItsCall(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		many := make([]int64, 20)
		many[19] = 13
		s := perform(t, kindOf(double("run", func(_ context.Context, rows []int64) error {
			failed := runnables.RowErrors{}
			for i, row := range rows {
				if row == 13 {
					failed[i] = runnables.InputErrorf("unlucky")
				}
			}
			return failed
		})), call(1, many...), call(2, 1))
		s.queue.want(t, 1, queue.CodeInvalidInput)
		s.queue.want(t, 2, "[2]")
	})
}

func TestACallForAnotherSignatureFailsAlone(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		text, scalar := call(2, 1), call(4, 1)
		text.Inputs = []tensor.Named{{Name: "x", Tensor: texts(1)}}
		scalar.Inputs = nil
		s := perform(t, kindOf(double("run", nil)), call(1, 1), text, callOf("gone", 3, 1), scalar, call(5, 5))
		s.queue.want(t, 1, "[2]")
		for id := 2; id <= 4; id++ {
			s.queue.want(t, id, queue.CodeMismatch)
		}
		s.queue.want(t, 5, "[10]")
		wantMetric(t, s, `ekiben_calls_finished_total{method="unknown",outcome="failed",runner="fake"} 3`)
	})
}

// A gateway that put calls of different shapes into one group does no harm.
func TestAGroupThatCannotBeJoinedRunsOneByOne(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		m := runnables.Batch("run", "x", func(_ context.Context, in [][]int64) ([]int64, error) {
			out := make([]int64, len(in))
			for i, row := range in {
				for _, v := range row {
					out[i] += v
				}
			}
			return out, nil
		})
		matrix := func(id int, values ...int64) queue.Delivery {
			d := call(id, values...)
			in, err := tensor.Of([]int{1, len(values)}, values)
			if err != nil {
				t.Fatal(err)
			}
			d.Inputs[0].Tensor, d.Rows = in, 1
			return d
		}
		s := perform(t, kindOf(m), matrix(1, 1, 2), matrix(2, 1, 2, 3))
		s.queue.want(t, 1, "[3]")
		s.queue.want(t, 2, "[6]")
	})
}
