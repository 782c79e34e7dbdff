//go:build linux

package process_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/process"
	"github.com/ekiben/ekiben/tensor"
)

func TestAnInstanceIsTheRunnableThatTheProcessMade(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	if err := runnables.Validate(i); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range i.Methods() {
		names = append(names, m.Name)
	}
	if want := "echo across both sum first either where act scalar"; strings.Join(names, " ") != want {
		t.Errorf("methods are %v, want %s", names, want)
	}
	if got := method(t, i, "across").BatchDim; got != (runnables.BatchDim{In: 1, Out: 1}) {
		t.Errorf("batch dimensions are %v", got)
	}
}

func TestTensorsOfEverySizeComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	m := method(t, i, "echo")
	// Less than what goes through a region, just as much, one more, and so that
	// the region grows again and again; then small ones once more.
	for _, width := range []int{0, 1, 16383, 16384, 16385, 250_000, 600_000, 3_000_000, 7, 1_000_000} {
		in := ramp(t, width, 1, width)
		out, err := m.Run(t.Context(), []tensor.Tensor{in})
		if err != nil {
			t.Fatal(err)
		}
		if len(out) != 1 || !out[0].Equal(in) {
			t.Errorf("a row of %d numbers came back as another", width)
		}
	}
}

func TestCallsAreJoinedAlongTheBatchDimension(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	for _, c := range []struct {
		method string
		dim    int
		parts  []tensor.Tensor
	}{
		{"echo", 0, []tensor.Tensor{ramp(t, 0, 1, 3), ramp(t, 10, 2, 3)}},
		{"echo", 0, []tensor.Tensor{ramp(t, 0, 3, 30_000), ramp(t, 5, 1, 30_000), ramp(t, 9, 4, 30_000)}},
		{"across", 1, []tensor.Tensor{ramp(t, 0, 3, 1), ramp(t, 10, 3, 2)}},
		{"across", 1, []tensor.Tensor{ramp(t, 0, 30_000, 1), ramp(t, 10, 30_000, 2), ramp(t, 10, 30_000, 3)}},
	} {
		want, err := tensor.Concat(c.dim, c.parts)
		if err != nil {
			t.Fatal(err)
		}
		out, err := method(t, i, c.method).RunParts(t.Context(), [][]tensor.Tensor{c.parts})
		if err != nil {
			t.Fatal(err)
		}
		if !out.Tensors[0].Equal(want) {
			t.Errorf("%s: %v", c.method, out.Tensors[0].Shape())
		}
		if out.Release != nil {
			out.Release()
			out.Release() // twice is once
		}
	}
}

func TestSeveralArgumentsTravelInLineAndInARegionTogether(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	for _, size := range []int{10, 200_000} {
		large := ramp(t, 3, 2, size)
		texts, err := tensor.OfStrings([]int{2}, []string{strings.Repeat("ž", size), ""})
		if err != nil {
			t.Fatal(err)
		}
		out, err := method(t, i, "both").Run(t.Context(), []tensor.Tensor{large, texts})
		if err != nil {
			t.Fatal(err)
		}
		if !out[0].Equal(large) || !out[1].Equal(texts) {
			t.Errorf("size %d: other values came back", size)
		}
	}
	scalar := of(t, []float64{2.5})
	out, err := method(t, i, "scalar").Run(t.Context(), []tensor.Tensor{scalar})
	if err != nil || !out[0].Equal(scalar) {
		t.Errorf("a scalar came back as %v, %v", out, err)
	}
}

func TestArgumentsThatAreLeftOutKeepTheirPlace(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	for _, width := range []int{2, 50_000} {
		ts := []tensor.Tensor{ramp(t, 1, 1, width), ramp(t, 2, 2, width)}
		want, err := tensor.Concat(0, ts)
		if err != nil {
			t.Fatal(err)
		}
		for _, parts := range [][][]tensor.Tensor{{ts, {{}, {}}}, {{{}, {}}, ts}} {
			out, err := method(t, i, "either").RunParts(t.Context(), parts)
			if err != nil {
				t.Fatal(err)
			}
			if !out.Tensors[0].Equal(want) {
				t.Errorf("rows of %d numbers came back as others", width)
			}
		}
	}
	_, err := method(t, i, "either").RunParts(t.Context(), [][]tensor.Tensor{{{}}, {{}}})
	if !errors.Is(err, runnables.ErrOutput) || !strings.Contains(err.Error(), "is no tensor") {
		t.Errorf("error is %v", err)
	}
}

func TestWhatCannotBeJoinedIsRefusedAndHarmsNothing(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	m := method(t, i, "echo")
	for name, parts := range map[string][][]tensor.Tensor{
		"no arguments":      {},
		"two arguments":     {{ramp(t, 0, 1, 1)}, {ramp(t, 0, 1, 1)}},
		"no calls":          {{}},
		"different widths":  {{ramp(t, 0, 1, 1), ramp(t, 0, 1, 2)}},
		"different types":   {{ramp(t, 0, 1, 1), of(t, []int64{1}, 1, 1)}},
		"one is left out":   {{ramp(t, 0, 1, 1), {}}},
		"no such dimension": {{of(t, []float32{1})}},
	} {
		if _, err := m.RunParts(t.Context(), parts); err == nil || errors.Is(err, runnables.ErrCrashed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if said := must(t, i, "say still here"); said[0] != "still here" {
		t.Error(said)
	}
}

func TestErrorsKeepWhatTheySayOnTheirWay(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	for _, c := range []struct {
		row, message string
		input, again bool
		output       bool
	}{
		{row: "fail input", message: "invalid input: too long", input: true},
		{row: "fail retryable", message: "busy", again: true},
		{row: "fail output", message: "invalid output: crooked", output: true},
		{row: "fail with\nlines", message: "with lines"},
		{row: "panic on the street", message: "the method panicked: on the street"},
	} {
		_, err := act(t.Context(), i, "say nothing", c.row)
		if err == nil || err.Error() != c.message {
			t.Errorf("%s: error is %v, want %s", c.row, err, c.message)
		}
		if errors.Is(err, runnables.ErrInput) != c.input || runnables.IsRetryable(err) != c.again || errors.Is(err, runnables.ErrOutput) != c.output {
			t.Errorf("%s: %v is of another sort", c.row, err)
		}
	}
}

func TestErrorsOfRowsKeepTheirRows(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	said, err := act(t.Context(), i, "say a", "failrow input", "say c", "failrow retryable", "failrow x")
	rows, ok := errors.AsType[runnables.RowErrors](err)
	if !ok || len(rows) != 3 || !errors.Is(rows[1], runnables.ErrInput) || !runnables.IsRetryable(rows[3]) || rows[4].Error() != "x" {
		t.Errorf("errors of rows are %v", err)
	}
	if want := []string{"a", "", "c", "", ""}; !slices.Equal(said, want) {
		t.Errorf("rows are %q, want %q", said, want)
	}
}

func TestCallsFromManyGoroutinesTakeTurns(t *testing.T) {
	t.Parallel()
	i := start(t, setup(t, "subject"))
	errs := make(chan error)
	for n := range 20 {
		go func() {
			want := fmt.Sprint("number ", n)
			said, err := act(t.Context(), i, "say "+want)
			if err == nil && said[0] != want {
				err = fmt.Errorf("said %q to %q", said[0], want)
			}
			errs <- err
		}()
	}
	for range 20 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestTheProcessIsToldItsPlaceAndNoSecrets(t *testing.T) {
	t.Parallel()
	s := setup(t, "subject:some:target")
	s.Runner.Runnable, s.Instance = "subject:some:target", 3
	s.Runner.Init = runnables.Init{"depth": 3}
	s.Runner.MaxBatchSize, s.Runner.Methods = 20, []runnables.MethodLimits{{Name: "act", MaxBatchSize: 7}}
	s.Runner.Env["AWS_REGION"], s.Runner.Env["OMP_NUM_THREADS"] = "here", "3"
	s.Place = runnables.Place{Devices: []string{"2", "5"}, Threads: 2, Env: map[string]string{"TPU": "9"}}
	i := start(t, s)
	got := must(t, i, "env CUDA_VISIBLE_DEVICES", "env OMP_NUM_THREADS", "env MKL_NUM_THREADS", "env TPU", "env AWS_REGION",
		"env EKIBEN_RUNNER", "env EKIBEN_INSTANCE", "env EKIBEN_CHANNEL", "setup", "limit echo", "limit act")
	want := []string{"2,5", "3", "2", "9", "here", "subject", "3", "", "some:targetmap[depth:3] 3 [0 1] 2", "20", "7"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	must(t, i, "files")
}

func TestSecretsAreNotInherited(t *testing.T) {
	t.Setenv("EKIBEN_REDIS_URL", "redis://:secret@host")
	t.Setenv("REDISCLI_AUTH", "secret")
	t.Setenv("REDIS_URL", "secret")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AZURE_STORAGE_KEY", "secret")
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "secret")
	t.Setenv("HARMLESS", "seen")
	i := start(t, setup(t, "subject"))
	env := must(t, i, "environ")[0]
	if strings.Contains(env, "secret") || !strings.Contains(env, "HARMLESS=seen") {
		t.Error(env)
	}
}

func TestAKindCanBeIsolated(t *testing.T) {
	t.Parallel()
	kind := runnables.Kind{
		Resources: runnables.Resources{Concurrent: true, MultiThreading: true},
		Describe: func(context.Context, runnables.Runner) (runnables.Resources, error) {
			return runnables.Resources{Concurrent: true, NoCPU: true}, nil
		},
	}
	isolated := process.Isolate(kind, self(t))
	if !isolated.Isolated || isolated.Resources.Concurrent || !isolated.Resources.MultiThreading {
		t.Errorf("the kind is %+v", isolated)
	}
	if res, err := isolated.Describe(t.Context(), runnables.Runner{}); err != nil || res.Concurrent || !res.NoCPU {
		t.Errorf("described as %+v, %v", res, err)
	}
	i, err := isolated.New(t.Context(), setup(t, "subject"))
	if err != nil {
		t.Fatal(err)
	}
	if said := must(t, i, "say hello"); said[0] != "hello" {
		t.Error(said)
	}
	if err := i.Close(); err != nil {
		t.Error(err)
	}
}

func TestAClassIsDescribedWithoutAnInstance(t *testing.T) {
	t.Parallel()
	res, err := process.Describe(t.Context(), self(t), setup(t, "subject"))
	if err != nil || !res.MultiThreading || res.NvidiaGPU || !slices.Equal(res.Custom, []string{"tpu"}) {
		t.Errorf("described as %+v, %v", res, err)
	}
	// This one could not be made.
	if _, err := process.Describe(t.Context(), self(t), setup(t, "broken")); err != nil {
		t.Error(err)
	}
}
