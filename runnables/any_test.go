package runnables_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// predict is a method whose caller decides on the type of its arguments, and
// which has not declared what it answers.
func predict() runnables.Signature {
	return runnables.Signature{
		Name: "predict", Batchable: true,
		Inputs: []runnables.ValueSpec{
			{Name: "x", DType: tensor.Any, Content: runnables.JSON},
			{Name: "weights", DType: tensor.Any, Optional: true},
			{Name: "label", DType: tensor.Bytes, Shape: []int{-1}, Content: runnables.Text, Optional: true},
		},
	}
}

// integers is an INT64 tensor of zeros.
func integers(t *testing.T, shape ...int) tensor.Tensor {
	t.Helper()
	n := must(tensor.Elements(shape))(t)
	return must(tensor.Of(shape, make([]int64, n)))(t)
}

func TestAnArgumentOfAnyTypeIsTakenAsItComes(t *testing.T) {
	t.Parallel()
	if err := predict().Validate(); err != nil {
		t.Fatal(err)
	}
	for _, x := range []tensor.Tensor{integers(t, 2), floats(t, 2, 3, 4), texts(t, `{"a":1}`, `"b"`)} {
		ordered, rows, err := runnables.CheckInputs(predict(), []tensor.Named{named("x", x)})
		if err != nil || rows != 2 || ordered[0].DType() != x.DType() {
			t.Errorf("%s: got %v, %d rows, %v", x.DType(), ordered, rows, err)
		}
	}
}

func TestAnOptionalArgumentKeepsItsPlaceWhenItIsLeftOut(t *testing.T) {
	t.Parallel()
	ordered, rows, err := runnables.CheckInputs(predict(), []tensor.Named{named("label", texts(t, "a", "b")), named("x", integers(t, 2))})
	if err != nil || rows != 2 || len(ordered) != 3 || ordered[1].DType().Valid() || ordered[2].Strings()[1] != "b" {
		t.Errorf("got %v, %d rows, %v", ordered, rows, err)
	}
	sig := predict()
	sig.Inputs[0].Optional = true
	ordered, rows, err = runnables.CheckInputs(sig, []tensor.Named{named("label", texts(t, "a", "b", "c"))})
	if err != nil || rows != 3 || ordered[0].DType().Valid() {
		t.Errorf("got %v, %d rows, %v", ordered, rows, err)
	}
	sig.Batchable = false
	sig.Inputs[2].Shape = []int{}
	if ordered, rows, err = runnables.CheckInputs(sig, nil); err != nil || rows != 1 || len(ordered) != 3 {
		t.Errorf("got %v, %d rows, %v", ordered, rows, err)
	}
}

func TestArgumentsOfAnyTypeThatDoNotFitAreRefusedWithASentence(t *testing.T) {
	t.Parallel()
	x := named("x", integers(t, 2))
	later := predict()
	later.BatchDim.In = 1
	later.Inputs = later.Inputs[:2]
	optional := predict()
	optional.Inputs[0].Optional = true
	for _, tt := range []struct {
		sig      runnables.Signature
		inputs   []tensor.Named
		sentence string
	}{
		{predict(), nil, `argument "x" is missing: predict takes x (ANY), weights (ANY of numbers, optional), label (BYTES [-1] of text, optional)`},
		{optional, nil, "no argument is given, and so no rows: predict takes x (ANY, optional)"},
		{predict(), []tensor.Named{named("x", integers(t))}, `argument "x" has shape [], which has no batch dimension 0`},
		{predict(), []tensor.Named{named("x", integers(t, 0))}, `argument "x" has no rows`},
		{predict(), []tensor.Named{x, named("weights", integers(t, 3))}, `argument "x" has 2 rows and "weights" has 3, want the same number`},
		{predict(), []tensor.Named{x, named("weights", texts(t, "1", "2"))}, `argument "weights" has data type BYTES, want numbers, or booleans, in arrays of equal lengths`},
		{predict(), []tensor.Named{x, named("weights", tensor.Tensor{})}, `argument "weights" has data type DType(0), which no value has`},
		{predict(), []tensor.Named{named("x", texts(t, "1", "{"))}, `argument "x" has element 1 that is not one JSON document`},
		{predict(), []tensor.Named{x, named("label", texts(t, "a", "b", "c"))}, `argument "x" has 2 rows and "label" has 3`},
		{later, []tensor.Named{x}, `argument "x" has shape [2], which has no batch dimension 1`},
		{optional, []tensor.Named{named("weights", integers(t, 2)), named("label", texts(t, "a"))}, `argument "weights" has 2 rows and "label" has 1`},
	} {
		_, _, err := runnables.CheckInputs(tt.sig, tt.inputs)
		if !errors.Is(err, runnables.ErrInput) || !strings.Contains(err.Error(), tt.sentence) {
			t.Errorf("got  %v\nwant %s", err, tt.sentence)
		}
	}
}

func TestOutputsThatAreNotDeclaredAreNamedByTheirNumber(t *testing.T) {
	t.Parallel()
	for n, want := range map[int][]string{1: {"result"}, 3: {"result_0", "result_1", "result_2"}} {
		if got := runnables.OutputNames(predict(), n); !slices.Equal(got, want) {
			t.Errorf("%d outputs: got %v, want %v", n, got, want)
		}
		if got := predict().OutputSpecs(n); len(got) != n || got[0].DType != tensor.Any || got[0].Content != runnables.JSON {
			t.Errorf("%d outputs: got %v", n, got)
		}
	}
	if got := runnables.OutputNames(classify(), 2); !slices.Equal(got, []string{"score", "note"}) {
		t.Errorf("got %v", got)
	}
}

func TestOutputsThatAreNotDeclaredAreChecked(t *testing.T) {
	t.Parallel()
	single := predict()
	single.Batchable = false
	across := predict()
	across.BatchDim.Out = 1
	for _, tt := range []struct {
		sig      runnables.Signature
		outputs  []tensor.Tensor
		sentence string
	}{
		{predict(), []tensor.Tensor{integers(t, 2)}, ""},
		{predict(), []tensor.Tensor{integers(t, 2, 3), texts(t, `{"a":1}`, "null"), floats(t, 2)}, ""},
		{single, []tensor.Tensor{integers(t), texts(t, "1", "2", "3")}, ""},
		{predict(), nil, `method "predict" returned no outputs, want at least one`},
		{single, []tensor.Tensor{}, "returned no outputs"},
		{predict(), slices.Repeat([]tensor.Tensor{integers(t, 2)}, tensor.MaxNamed+1), "outputs, want at most"},
		{predict(), []tensor.Tensor{integers(t, 3)}, `output "result" of method "predict" has 3 rows for 2 rows of input`},
		{predict(), []tensor.Tensor{integers(t, 2), integers(t)}, `output "result_1" of method "predict" has shape [], which has no batch dimension 0`},
		{predict(), []tensor.Tensor{texts(t, "1", "two")}, `output "result" of method "predict" has element 1 that is not one JSON document`},
		{predict(), []tensor.Tensor{{}}, "which no value has"},
		{across, []tensor.Tensor{integers(t, 3, 2)}, ""},
		{across, []tensor.Tensor{integers(t, 2)}, `output "result" of method "predict" has shape [2], which has no batch dimension 1`},
		{across, []tensor.Tensor{integers(t, 2, 3)}, "has 3 rows for 2 rows of input"},
	} {
		err := runnables.CheckOutputs(tt.sig, tt.outputs, 2)
		if tt.sentence == "" && err == nil {
			continue
		}
		if !errors.Is(err, runnables.ErrOutput) || tt.sentence == "" || !strings.Contains(err.Error(), tt.sentence) {
			t.Errorf("got  %v\nwant %s", err, tt.sentence)
		}
	}
}

func TestCallsOfAnyTypeAreGroupedByTheTypeThatTheyHave(t *testing.T) {
	t.Parallel()
	group := func(x, weights, label tensor.Tensor) string {
		return runnables.Group(predict(), []tensor.Tensor{x, weights, label})
	}
	none := tensor.Tensor{}
	if got := group(integers(t, 2, 3), none, texts(t, "a", "b")); got != "predict int64,*,3 - bytes,*" {
		t.Errorf("got %q, which old entries in Redis have", got)
	}
	seen := map[string]bool{}
	for _, got := range []string{
		group(integers(t, 2), none, none), group(floats(t, 2), none, none), group(integers(t, 2, 1), none, none), group(texts(t, "1", "2"), none, none),
		group(integers(t, 2), integers(t, 2), none), group(integers(t, 2), none, texts(t, "a", "b")),
	} {
		if seen[got] {
			t.Errorf("%q is the group of calls that cannot be joined", got)
		}
		seen[got] = true
	}
	if group(integers(t, 1), none, none) != group(integers(t, 7), none, none) {
		t.Error("the number of rows is part of the group")
	}
}

func TestASignatureOfAnyTypeIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	const golden = `{"name":"predict","batchable":true,"inputs":[` +
		`{"name":"x","datatype":"ANY","shape":null,"content":"json"},` +
		`{"name":"weights","datatype":"ANY","shape":null,"optional":true},` +
		`{"name":"label","datatype":"BYTES","shape":[-1],"content":"text","optional":true}],"outputs":null}`
	raw, err := json.Marshal(predict())
	if err != nil || string(raw) != golden {
		t.Fatalf("got %s, %v", raw, err)
	}
	for _, written := range []string{golden, strings.ReplaceAll(golden, `"shape":null,`, ""), strings.Replace(golden, `,"outputs":null`, "", 1)} {
		var sig runnables.Signature
		if err := json.Unmarshal([]byte(written), &sig); err != nil {
			t.Fatal(err)
		}
		if back, err := json.Marshal(sig); err != nil || string(back) != golden {
			t.Errorf("got %s, %v", back, err)
		}
	}
}
