package runnables_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// classify is a batchable method of vectors and texts.
func classify() runnables.Signature {
	return runnables.Signature{
		Name:      "classify",
		Batchable: true,
		Inputs: []runnables.ValueSpec{
			{Name: "features", DType: tensor.FP32, Shape: []int{-1, 2, -1}},
			{Name: "label", DType: tensor.Bytes, Shape: []int{-1}, Content: runnables.Text},
			{Name: "options", DType: tensor.Bytes, Shape: []int{-1}, Content: runnables.JSON},
		},
		Outputs: []runnables.ValueSpec{
			{Name: "score", DType: tensor.FP32, Shape: []int{-1}},
			{Name: "note", DType: tensor.Bytes, Shape: []int{-1}, Content: runnables.Text},
		},
	}
}

// floats is an FP32 tensor of zeros.
func floats(t *testing.T, shape ...int) tensor.Tensor {
	t.Helper()
	n, err := tensor.Elements(shape)
	if err != nil {
		t.Fatal(err)
	}
	return must(tensor.Of(shape, make([]float32, n)))(t)
}

func named(name string, v tensor.Tensor) tensor.Named { return tensor.Named{Name: name, Tensor: v} }

func TestArgumentsAreFoundByNameInAnyOrder(t *testing.T) {
	t.Parallel()
	ordered, rows, err := runnables.CheckInputs(classify(), []tensor.Named{
		named("options", texts(t, "{}", "null")), named("label", texts(t, "a", "b")), named("features", floats(t, 2, 2, 7)),
	})
	if err != nil || rows != 2 {
		t.Fatalf("got %d rows, %v", rows, err)
	}
	if ordered[0].DType() != tensor.FP32 || ordered[1].Strings()[1] != "b" || ordered[2].Strings()[0] != "{}" {
		t.Errorf("got %v", ordered)
	}
}

func TestAMethodThatIsNotBatchableHasOneRow(t *testing.T) {
	t.Parallel()
	sig := runnables.Signature{Name: "m", Inputs: []runnables.ValueSpec{{Name: "x", DType: tensor.FP32, Shape: []int{-1}}}}
	for _, size := range []int{0, 1, 5} {
		if _, rows, err := runnables.CheckInputs(sig, []tensor.Named{named("x", floats(t, size))}); err != nil || rows != 1 {
			t.Errorf("got %d rows, %v", rows, err)
		}
	}
}

func TestArgumentsThatDoNotFitAreRefusedWithASentence(t *testing.T) {
	t.Parallel()
	features, label, options := named("features", floats(t, 2, 2, 7)), named("label", texts(t, "a", "b")), named("options", texts(t, "{}", "1"))
	integers := must(tensor.Of([]int{2}, []int64{1, 2}))(t)
	for sentence, inputs := range map[string][]tensor.Named{
		`argument "label" is missing: classify takes features (FP32 [-1,2,-1]), label (BYTES [-1] of text), options (BYTES [-1] of json)`: {features, options},
		`there is no argument "lable": classify takes features`:                                                                           {features, options, named("lable", label.Tensor)},
		`argument "label" is given twice`:                                                                    {features, label, label},
		`argument "label" has data type INT64, want BYTES`:                                                   {features, named("label", integers), options},
		`argument "label" has data type DType(0), want BYTES`:                                                {features, named("label", tensor.Tensor{}), options},
		`argument "features" has shape [4] of rank 1, want [-1,2,-1] of rank 3`:                              {named("features", floats(t, 4)), label, options},
		`argument "features" has shape [2,3,7], want [-1,2,-1]: dimension 1 is 3, not 2`:                     {named("features", floats(t, 2, 3, 7)), label, options},
		`argument "features" has 3 rows and "label" has 2, want the same number`:                             {named("features", floats(t, 3, 2, 7)), label, options},
		`argument "features" has no rows: its shape is [0,2,7] and dimension 0 counts rows, want at least 1`: {named("features", floats(t, 0, 2, 7)), label, options},
		`argument "label" has element 1 that is not text in UTF-8`:                                           {features, named("label", texts(t, "a", "\xff")), options},
		`argument "options" has element 0 that is not one JSON document`:                                     {features, label, named("options", texts(t, "{", "1"))},
	} {
		_, _, err := runnables.CheckInputs(classify(), inputs)
		if !errors.Is(err, runnables.ErrInput) || !strings.Contains(err.Error(), sentence) {
			t.Errorf("got  %v\nwant %s", err, sentence)
		}
	}
}

func TestASignatureThatIsBrokenDoesNotPanic(t *testing.T) {
	t.Parallel()
	sig := classify()
	sig.BatchDim = runnables.BatchDim{In: 9, Out: 9}
	inputs := []tensor.Named{named("features", floats(t, 2, 2, 7)), named("label", texts(t, "a", "b")), named("options", texts(t, "1", "1"))}
	if _, _, err := runnables.CheckInputs(sig, inputs); err == nil {
		t.Error("accepted")
	}
	if err := runnables.CheckOutputs(sig, []tensor.Tensor{floats(t, 2), texts(t, "a", "b")}, 2); err == nil {
		t.Error("accepted")
	}
}

func TestOutputsAreCheckedAgainstTheSignatureAndTheRows(t *testing.T) {
	t.Parallel()
	for sentence, outputs := range map[string][]tensor.Tensor{
		"":                           {floats(t, 2), texts(t, "a", "b")},
		"returned 1 outputs, want 2": {floats(t, 2)},
		`output "score" of method "classify" has data type BYTES, want FP32`: {texts(t, "a", "b"), texts(t, "a", "b")},
		`output "score" of method "classify" has shape [2,1] of rank 2`:      {floats(t, 2, 1), texts(t, "a", "b")},
		`output "note" of method "classify" has 3 rows for 2 rows of input`:  {floats(t, 2), texts(t, "a", "b", "c")},
		`output "note" of method "classify" has element 1 that is not text`:  {floats(t, 2), texts(t, "a", "\xff")},
	} {
		err := runnables.CheckOutputs(classify(), outputs, 2)
		if sentence == "" {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		if !errors.Is(err, runnables.ErrOutput) || !strings.Contains(err.Error(), sentence) {
			t.Errorf("got  %v\nwant %s", err, sentence)
		}
		if rows := strings.Contains(sentence, "rows of input"); errors.Is(err, runnables.ErrOutputLength) != rows {
			t.Errorf("%v: whether it is about the number of rows is wrong", err)
		}
	}
}

func TestADimensionOfOneIsOne(t *testing.T) {
	t.Parallel()
	sig := classify()
	sig.Inputs = []runnables.ValueSpec{{Name: "x", DType: tensor.FP32, Shape: []int{-1, 1}}}
	if _, _, err := runnables.CheckInputs(sig, []tensor.Named{named("x", floats(t, 2, 2))}); err == nil || !strings.Contains(err.Error(), "dimension 1 is 2, not 1") {
		t.Errorf("two: %v", err)
	}
	if _, _, err := runnables.CheckInputs(sig, []tensor.Named{named("x", floats(t, 2, 0))}); err == nil || !strings.Contains(err.Error(), "dimension 1 is 0, not 1") {
		t.Errorf("none: %v", err)
	}
}

func TestRowsAreCountedAlongTheBatchDimension(t *testing.T) {
	t.Parallel()
	sig := runnables.Signature{
		Name: "m", Batchable: true, BatchDim: runnables.BatchDim{In: 1, Out: 0},
		Inputs:  []runnables.ValueSpec{{Name: "x", DType: tensor.FP32, Shape: []int{3, -1}}},
		Outputs: []runnables.ValueSpec{{Name: "y", DType: tensor.FP32, Shape: []int{-1, 2}}},
	}
	if err := sig.Validate(); err != nil {
		t.Fatal(err)
	}
	if _, rows, err := runnables.CheckInputs(sig, []tensor.Named{named("x", floats(t, 3, 5))}); err != nil || rows != 5 {
		t.Errorf("got %d rows, %v", rows, err)
	}
	if err := runnables.CheckOutputs(sig, []tensor.Tensor{floats(t, 5, 2)}, 5); err != nil {
		t.Error(err)
	}
	if err := runnables.CheckOutputs(sig, []tensor.Tensor{floats(t, 3, 2)}, 5); !errors.Is(err, runnables.ErrOutputLength) {
		t.Errorf("got %v", err)
	}
}

func TestCallsOfOneGroupCanBeConcatenated(t *testing.T) {
	t.Parallel()
	sig := classify()
	group := func(features tensor.Tensor) string {
		return runnables.Group(sig, []tensor.Tensor{features, texts(t, "a"), texts(t, "1")})
	}
	if got := group(floats(t, 2, 2, 7)); got != "classify fp32,*,2,7 bytes,* bytes,*" {
		t.Errorf("got %q, which old entries in Redis have", got)
	}
	if group(floats(t, 2, 2, 7)) != group(floats(t, 9, 2, 7)) {
		t.Error("the number of rows is part of the group")
	}
	if group(floats(t, 2, 2, 7)) == group(floats(t, 2, 2, 8)) {
		t.Error("another dimension is not part of the group")
	}
	across := runnables.Signature{Name: "m", Batchable: true, BatchDim: runnables.BatchDim{In: 1}}
	if got := runnables.Group(across, []tensor.Tensor{floats(t, 3, 5)}); got != "m fp32,3,*" {
		t.Errorf("got %q where dimension 1 counts rows", got)
	}
	sig.Batchable = false
	if got := group(floats(t, 2, 2, 7)); got != "" {
		t.Errorf("got %q for a method that is not batchable", got)
	}
}

func TestALongGroupIsHashed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"m", strings.Repeat("m", runnables.MaxNameLen)} {
		sig := runnables.Signature{Name: name, Batchable: true}
		var inputs, others []tensor.Tensor
		for range 20 {
			inputs, others = append(inputs, floats(t, 1, 100)), append(others, floats(t, 1, 100))
		}
		others[19] = floats(t, 1, 101)
		a, b := runnables.Group(sig, inputs), runnables.Group(sig, others)
		if len(a) > 96 || len(b) > 96 || a == b || !strings.HasPrefix(a, sig.Name) {
			t.Errorf("got %q and %q", a, b)
		}
		if again := runnables.Group(sig, inputs); again != a {
			t.Errorf("got %q, then %q", a, again)
		}
	}
}
