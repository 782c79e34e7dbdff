package runnables_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

func TestSignaturesThatCannotBeServedAreRefused(t *testing.T) {
	t.Parallel()
	if err := classify().Validate(); err != nil {
		t.Fatal(err)
	}
	for fault, edit := range map[string]func(s *runnables.Signature){
		"must match":                   func(s *runnables.Signature) { s.Name = "Classify" },
		"at most 63 characters":        func(s *runnables.Signature) { s.Name = strings.Repeat("a", 64) },
		"has no argument, which would": func(s *runnables.Signature) { s.Inputs = nil },
		`output "note" is optional, which only arguments are`: func(s *runnables.Signature) { s.Outputs[1].Optional = true },
		"shape is [-1], but that of ANY is the caller's":      func(s *runnables.Signature) { s.Inputs[1].DType, s.Inputs[1].Content = tensor.Any, "" },
		`content is "text", want "json" or nothing for ANY`:   func(s *runnables.Signature) { s.Inputs[1].DType, s.Inputs[1].Shape = tensor.Any, nil },
		`argument "label" is there twice`:                     func(s *runnables.Signature) { s.Inputs[2].Name = "label" },
		"has 65 outputs, want at most 64":                     func(s *runnables.Signature) { s.Outputs = make([]runnables.ValueSpec, 65) },
		`output "note" is there twice`:                        func(s *runnables.Signature) { s.Outputs[0].Name = "note" },
		"printable UTF-8":                                     func(s *runnables.Signature) { s.Inputs[0].Name = "" },
		`argument "a b": name`:                                func(s *runnables.Signature) { s.Inputs[0].Name = "a b" },
		"1 to 128 bytes":                                      func(s *runnables.Signature) { s.Inputs[0].Name = strings.Repeat("a", 129) },
		"data type is missing":                                func(s *runnables.Signature) { s.Inputs[0].DType = 0 },
		"has rank 9, want at most 8":                          func(s *runnables.Signature) { s.Inputs[0].Shape = []int{-1, 1, 1, 1, 1, 1, 1, 1, 1} },
		"has dimension 0":                                     func(s *runnables.Signature) { s.Inputs[0].Shape = []int{-1, 0} },
		"has dimension -2":                                    func(s *runnables.Signature) { s.Outputs[0].Shape = []int{-1, -2} },
		"has no batch dimension 1":                            func(s *runnables.Signature) { s.BatchDim.In = 1 },
		`output "score": shape [-1] has no batch dimension 2`: func(s *runnables.Signature) { s.BatchDim.Out = 2 },
		"shape [] has no batch dimension 0":                   func(s *runnables.Signature) { s.Outputs[0].Shape = nil },
		"batch dimension 0 of shape [4] is 4, want -1":        func(s *runnables.Signature) { s.Outputs[0].Shape = []int{4} },
		"want at least 0":                                     func(s *runnables.Signature) { s.BatchDim.In = -1 },
		"dimensions are 0 and -1":                             func(s *runnables.Signature) { s.BatchDim.Out = -1 },
		"but is not batchable":                                func(s *runnables.Signature) { s.Batchable, s.BatchDim.Out = false, 1 },
		"only BYTES have content":                             func(s *runnables.Signature) { s.Inputs[0].Content = runnables.Text },
		`content is "xml"`:                                    func(s *runnables.Signature) { s.Inputs[1].Content = "xml" },
	} {
		sig := classify()
		edit(&sig)
		if err := sig.Validate(); err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("got %v, want %q", err, fault)
		}
	}
}

func TestInstancesThatCannotBeServedAreRefused(t *testing.T) {
	t.Parallel()
	sound := runnables.Batch("m", "x", func(_ context.Context, in []string) ([]string, error) { return in, nil })
	idle := runnables.Method{Signature: sound.Signature}
	for fault, methods := range map[string][]runnables.Method{
		"has no methods":            nil,
		`method "m" is there twice`: {sound, sound},
		"Run is nil":                {idle},
	} {
		if _, err := runnables.New(methods...); err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("got %v, want %q", err, fault)
		}
		if err := runnables.Validate(homemade(methods)); err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("got %v, want %q", err, fault)
		}
	}
	if err := runnables.Validate(nil); err == nil {
		t.Error("nil was accepted")
	}
	if err := runnables.Validate(homemade{sound}); err != nil {
		t.Error(err)
	}
}

// homemade is a Runnable that New did not make.
type homemade []runnables.Method

func (h homemade) Methods() []runnables.Method { return h }
func (homemade) Close() error                  { return nil }

func TestAnInstanceWarmsUpAndCloses(t *testing.T) {
	t.Parallel()
	in, err := runnables.New(runnables.Batch("m", "x", func(_ context.Context, in []string) ([]string, error) { return in, nil }))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(in.Warmup(t.Context()), in.Close()); err != nil {
		t.Error(err)
	}
	cold, stuck := errors.New("cold"), errors.New("stuck")
	in.OnWarmup = func(context.Context) error { return cold }
	in.OnClose = func() error { return stuck }
	if !errors.Is(in.Warmup(t.Context()), cold) || !errors.Is(in.Close(), stuck) {
		t.Error("OnWarmup or OnClose was not called")
	}
	var _ runnables.Warmer = in
}

func TestErrorsSayWhoIsToBlameAndWhetherToRetry(t *testing.T) {
	t.Parallel()
	inner := errors.New("too long")
	err := runnables.InputErrorf("the text is %w", inner)
	if !errors.Is(err, runnables.ErrInput) || !errors.Is(err, inner) || err.Error() != "invalid input: the text is too long" {
		t.Errorf("got %v", err)
	}
	retryable := runnables.InputErrorf("busy: %w", runnables.Retryable(inner))
	if !runnables.IsRetryable(retryable) || !errors.Is(retryable, inner) {
		t.Error("a retryable error is not retryable once it is wrapped")
	}
	if runnables.IsRetryable(inner) || runnables.IsRetryable(nil) || runnables.Retryable(nil) != nil {
		t.Error("an error is retryable that nobody said so of")
	}
}

func TestRowErrorsAreFoundByTheirRows(t *testing.T) {
	t.Parallel()
	a, b := errors.New("a"), errors.New("b")
	failed := runnables.RowErrors{7: b, 2: a, 4: nil}
	if got := failed.Error(); got != "row 2: a (and 1 more rows failed)" {
		t.Errorf("got %q", got)
	}
	if errs := failed.Unwrap(); len(errs) != 2 || errs[0] != a || errs[1] != b || !errors.Is(failed, b) {
		t.Errorf("got %v", errs)
	}
	for rows, want := range map[[2]int]error{{0, 2}: nil, {2, 3}: a, {3, 7}: nil, {3, 8}: b, {0, 9}: a} {
		if got := failed.In(rows[0], rows[1]); got != want {
			t.Errorf("rows %v failed with %v, want %v", rows, got, want)
		}
	}
	if got := (runnables.RowErrors{}).Error(); got != "no row failed" {
		t.Errorf("got %q", got)
	}
}

func TestParametersAreReadStrictly(t *testing.T) {
	t.Parallel()
	into := struct {
		Model string `json:"model"`
		Size  int    `json:"size"`
	}{Size: 3}
	if err := (runnables.Init{"model": "iris"}).Decode(&into); err != nil || into.Model != "iris" || into.Size != 3 {
		t.Errorf("got %+v, %v", into, err)
	}
	if err := runnables.Init(nil).Decode(&into); err != nil {
		t.Error(err)
	}
	for _, init := range []runnables.Init{{"modle": "iris"}, {"size": "big"}, {"size": make(chan int)}} {
		if err := init.Decode(&into); err == nil {
			t.Errorf("%v was accepted", init)
		}
	}
}

func TestASpecFindsItsMethods(t *testing.T) {
	t.Parallel()
	spec := runnables.Spec{Methods: []runnables.MethodSpec{{Signature: runnables.Signature{Name: "a"}}, {Signature: classify()}}}
	if m, ok := spec.Method("classify"); !ok || m.Inputs[0].DType != tensor.FP32 {
		t.Errorf("got %+v, %v", m, ok)
	}
	if _, ok := spec.Method("b"); ok {
		t.Error("found a method that is not there")
	}
}
