package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// errValue is wrapped by errors about Go values that do not fit a signature.
// They are the service's fault: nothing of them is for its client.
var errValue = errors.New("value does not fit")

func required(v runnables.ValueSpec) bool { return !v.Optional }

// toInputs makes tensors of Go values, in the order of the signature. Optional
// arguments are left out where they are nil or at the end.
func toInputs(m *method, args []any) ([]tensor.Named, error) {
	if len(args) > len(m.Inputs) || slices.ContainsFunc(m.Inputs[len(args):], required) {
		return nil, fmt.Errorf("%w: got %d arguments, but %s", errValue, len(args), usage(m))
	}
	inputs := make([]tensor.Named, 0, len(args))
	for i, arg := range args {
		v := &m.Inputs[i]
		if arg == nil && v.Optional {
			continue
		}
		t, err := toTensor(v, batchDim(m, m.BatchDim.In), arg)
		if err != nil {
			// The text only: it must not be taken for an error of the client.
			return nil, fmt.Errorf("%w: argument %q is %s, not %T: %v", errValue, v.Name, v, arg, err) //nolint:errorlint // see above
		}
		inputs = append(inputs, tensor.Named{Name: v.Name, Tensor: t})
	}
	return inputs, nil
}

// batchDim is dim, or -1 for a method without batch dimension.
func batchDim(m *method, dim int) int {
	if !m.Batchable {
		return -1
	}
	return dim
}

// toTensor makes a tensor of one Go value; batch is its batch dimension or -1.
func toTensor(v *runnables.ValueSpec, batch int, value any) (tensor.Tensor, error) {
	if t, done, err := exactly(v, batch, value); done {
		return t, err
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return tensor.Tensor{}, err
	}
	if v.DType == tensor.Any {
		return anyOfGo(value, raw, batch >= 0)
	}
	t, err := tensor.ParseJSON(v.DType, v.Shape, raw, encodingOf(v.Content))
	if err == nil || batch < 0 {
		return t, err
	}
	// Not with the batch dimension; then it may be one row.
	row, rowErr := tensor.ParseJSON(v.DType, slices.Delete(slices.Clone(v.Shape), batch, batch+1), raw, encodingOf(v.Content))
	if rowErr != nil {
		return tensor.Tensor{}, err
	}
	return tensor.New(v.DType, slices.Insert(slices.Clone(row.Shape()), batch, 1), row.Data())
}

// exactly makes a tensor of a value that needs no conversion; done is false for
// those that do.
func exactly(v *runnables.ValueSpec, batch int, value any) (t tensor.Tensor, done bool, err error) {
	if t, ok := value.(tensor.Tensor); ok {
		return t, true, nil
	}
	if v.DType == tensor.Bytes && v.Content != runnables.JSON {
		return exactItems(v, batch, value)
	}
	if len(v.Shape) != 1 && v.DType != tensor.Any {
		return tensor.Tensor{}, false, nil
	}
	switch value := value.(type) {
	case []float32:
		return exactNumbers(v, tensor.FP32, value)
	case []float64:
		return exactNumbers(v, tensor.FP64, value)
	case []int64:
		return exactNumbers(v, tensor.Int64, value)
	case []int32:
		return exactNumbers(v, tensor.Int32, value)
	}
	return tensor.Tensor{}, false, nil
}

func exactNumbers[T tensor.Element](v *runnables.ValueSpec, d tensor.DType, values []T) (tensor.Tensor, bool, error) {
	if v.DType != d && v.DType != tensor.Any {
		return tensor.Tensor{}, false, nil
	}
	t, err := tensor.Of([]int{len(values)}, values)
	return t, true, err
}

// exactItems makes BYTES of strings and byte slices: one element, or as many as
// one dimension has.
func exactItems(v *runnables.ValueSpec, batch int, value any) (t tensor.Tensor, done bool, err error) {
	one := []int{}
	if batch >= 0 {
		one = oneOf(v.Shape)
	}
	fits := len(v.Shape) == len(one)
	switch value := value.(type) {
	case string:
		if fits {
			t, err = tensor.OfStrings(one, []string{value})
			return t, true, err
		}
	case []byte:
		if fits {
			t, err = tensor.OfItems(one, [][]byte{value})
			return t, true, err
		}
	case []string:
		if len(v.Shape) == 1 {
			t, err = tensor.OfStrings([]int{len(value)}, value)
			return t, true, err
		}
	case [][]byte:
		if len(v.Shape) == 1 {
			t, err = tensor.OfItems([]int{len(value)}, value)
			return t, true, err
		}
	}
	return tensor.Tensor{}, false, nil
}

// fromOutputs makes a Go value of the outputs of a method.
func fromOutputs(into any, m *method, outputs []tensor.Named) error {
	if m.output != nil && len(outputs) == 1 && into != nil {
		if done := fromExact(into, m.output, outputs[0].Tensor); done {
			return nil
		}
	}
	raw, err := jsonOutputs(m.OutputSpecs(len(outputs)), outputs)
	if err != nil {
		return fmt.Errorf("%w: %v", errValue, err) //nolint:errorlint // not an error of the client
	}
	err = json.Unmarshal(raw, into)
	if err == nil {
		return nil
	}
	rows, ok := oneRow(m, outputs)
	if !ok {
		return fmt.Errorf("%w: %v", errValue, err) //nolint:errorlint // not an error of the client
	}
	reflect.ValueOf(into).Elem().SetZero()
	raw, rowErr := jsonOutputs(m.OutputSpecs(len(rows)), rows)
	if rowErr == nil {
		rowErr = json.Unmarshal(raw, into)
	}
	if rowErr != nil {
		return fmt.Errorf("%w: %v", errValue, err) //nolint:errorlint // not an error of the client
	}
	return nil
}

// fromExact takes an output as it is, where the types are each other's. The
// documents of an output of any type are not strings, but what they say.
func fromExact(into any, v *runnables.ValueSpec, t tensor.Tensor) bool {
	items := t.DType() == tensor.Bytes && v.DType == tensor.Bytes
	switch into := into.(type) {
	case *tensor.Tensor:
		*into = t
		return true
	case *string:
		return items && t.Len() == 1 && assign(into, string(t.Items()[0]))
	case *[]byte:
		return items && t.Len() == 1 && assign(into, slices.Clone(t.Items()[0]))
	case *[]string:
		return items && len(t.Shape()) == 1 && assign(into, slices.Clone(t.Strings()))
	case *[]float32:
		return fromNumbers(into, t)
	case *[]float64:
		return fromNumbers(into, t)
	case *[]int64:
		return fromNumbers(into, t)
	case *[]int32:
		return fromNumbers(into, t)
	}
	return false
}

func assign[T any](into *T, value T) bool {
	*into = value
	return true
}

func fromNumbers[T tensor.Element](into *[]T, t tensor.Tensor) bool {
	if len(t.Shape()) != 1 {
		return false
	}
	values, err := tensor.Values[T](t)
	return err == nil && assign(into, slices.Clone(values))
}

// oneRow takes the batch dimension of a single row away.
func oneRow(m *method, outputs []tensor.Named) ([]tensor.Named, bool) {
	if !m.Batchable {
		return nil, false
	}
	rows := make([]tensor.Named, len(outputs))
	for i, out := range outputs {
		shape := out.Tensor.Shape()
		if dim := m.BatchDim.Out; dim >= len(shape) || shape[dim] != 1 {
			return nil, false
		}
		t, err := tensor.New(out.Tensor.DType(), slices.Delete(slices.Clone(shape), m.BatchDim.Out, m.BatchDim.Out+1), out.Tensor.Data())
		if err != nil {
			return nil, false
		}
		rows[i] = tensor.Named{Name: out.Name, Tensor: t}
	}
	return rows, true
}
