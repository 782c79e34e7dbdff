package runnables

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/ekiben/ekiben/tensor"
)

// arguments makes the values that a function takes out of tensors: In itself
// for one argument, or a struct with one field an argument.
type arguments[In any] struct {
	args []argument
}

type argument struct {
	name  string
	field []int // index of the field, nil where the argument is In itself
	codec codec
}

// oneArgument is for functions of one argument.
func oneArgument[In any](name string) (arguments[In], error) {
	c, err := codecOf(reflect.TypeFor[In]())
	if err != nil {
		return arguments[In]{}, fmt.Errorf("argument %q: %w", name, err)
	}
	return arguments[In]{[]argument{{name: name, codec: c}}}, nil
}

// structArguments is for functions whose arguments are the fields of a struct.
func structArguments[In any]() (arguments[In], error) {
	t := reflect.TypeFor[In]()
	if t.Kind() != reflect.Struct {
		return arguments[In]{}, fmt.Errorf("arguments are %s, want a struct with one field an argument", t)
	}
	var a arguments[In]
	var errs []error
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			name = f.Name
		}
		if !f.IsExported() || len(f.Index) > 1 || f.Tag.Get("json") == "-" {
			continue
		}
		c, err := codecOf(f.Type)
		if err != nil {
			errs = append(errs, fmt.Errorf("argument %q: %w", name, err))
		}
		a.args = append(a.args, argument{name: name, field: f.Index, codec: c})
	}
	return a, errors.Join(errs...)
}

func (a arguments[In]) specs(batched bool) []ValueSpec {
	specs := make([]ValueSpec, len(a.args))
	for i, arg := range a.args {
		specs[i] = valueSpec(arg.name, arg.codec, batched)
	}
	return specs
}

// decode returns one value a row. Rows that cannot be decoded are in failed,
// which is never nil, and have a zero value.
func (a arguments[In]) decode(inputs []tensor.Tensor, batched bool) (in []In, failed RowErrors, err error) {
	failed = RowErrors{}
	if len(inputs) != len(a.args) {
		return nil, nil, InputErrorf("got %d arguments, want %d", len(inputs), len(a.args))
	}
	if !batched {
		in = make([]In, 1) // even where there is no argument
	}
	for i, arg := range a.args {
		t, err := withRows(inputs[i], batched)
		if err != nil {
			return nil, nil, InputErrorf("argument %q %w", arg.name, err)
		}
		if i == 0 {
			in = make([]In, t.Shape()[0])
		}
		column, err := arg.codec.decode(t, len(in))
		if err := failed.take(err); err != nil {
			return nil, nil, InputErrorf("argument %q %w", arg.name, err)
		}
		if arg.field == nil {
			return column.Interface().([]In), failed, nil //nolint:forcetypeassert // the codec is that of In
		}
		for row := range in {
			reflect.ValueOf(&in[row]).Elem().FieldByIndex(arg.field).Set(column.Index(row))
		}
	}
	return in, failed, nil
}

// withRows gives the tensor of a method that is not batchable the dimension of
// rows that codecs expect in front.
func withRows(t tensor.Tensor, batched bool) (tensor.Tensor, error) {
	if !batched {
		return tensor.New(t.DType(), append([]int{1}, t.Shape()...), t.Data())
	}
	if len(t.Shape()) == 0 {
		return t, errors.New("is a scalar, want rows")
	}
	return t, nil
}
