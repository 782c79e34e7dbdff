package runnables

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ekiben/ekiben/tensor"
)

// CheckInputs matches the arguments of a call, in any order, to the inputs of a
// method. It returns them in the order of the signature, and how many rows the
// call has: 1 for a method that is not batchable. An optional argument that was
// left out is the zero Tensor. Errors wrap [ErrInput].
//
// Names, data types, ranks and fixed dimensions must be those of the signature.
// For a batchable method all arguments must have equally many rows, at least
// one, so at least one argument must be there. Text must be UTF-8, and JSON must
// be one document an element.
func CheckInputs(sig Signature, inputs []tensor.Named) (ordered []tensor.Tensor, rows int, err error) {
	ordered, given, err := orderInputs(sig, inputs)
	if err != nil {
		return nil, 0, err
	}
	first := slices.Index(given, true)
	if first < 0 && sig.Batchable {
		return nil, 0, fmt.Errorf("%w: no argument is given, and so no rows: %s", ErrInput, sig.usage())
	}
	rows = 1
	for i, spec := range sig.Inputs {
		if !given[i] {
			continue
		}
		if fault := spec.check(ordered[i], sig.batchDim(sig.BatchDim.In)); fault != "" {
			return nil, 0, fmt.Errorf("%w: argument %q %s", ErrInput, spec.Name, fault)
		}
		if !sig.Batchable {
			continue
		}
		n := ordered[i].Shape()[sig.BatchDim.In]
		if n == 0 {
			return nil, 0, fmt.Errorf("%w: argument %q has no rows: its shape is %s and dimension %d counts rows, want at least 1",
				ErrInput, spec.Name, shapeString(ordered[i].Shape()), sig.BatchDim.In)
		}
		if i > first && n != rows {
			return nil, 0, fmt.Errorf("%w: argument %q has %d rows and %q has %d, want the same number",
				ErrInput, sig.Inputs[first].Name, rows, spec.Name, n)
		}
		rows = n
	}
	return ordered, rows, nil
}

// orderInputs finds each argument by its name.
func orderInputs(sig Signature, inputs []tensor.Named) (ordered []tensor.Tensor, given []bool, err error) {
	ordered = make([]tensor.Tensor, len(sig.Inputs))
	given = make([]bool, len(sig.Inputs))
	for _, in := range inputs {
		i := slices.IndexFunc(sig.Inputs, func(v ValueSpec) bool { return v.Name == in.Name })
		if i < 0 {
			return nil, nil, fmt.Errorf("%w: there is no argument %q: %s", ErrInput, in.Name, sig.usage())
		}
		if given[i] {
			return nil, nil, fmt.Errorf("%w: argument %q is given twice", ErrInput, in.Name)
		}
		ordered[i], given[i] = in.Tensor, true
	}
	for i, spec := range sig.Inputs {
		if !given[i] && !spec.Optional {
			return nil, nil, fmt.Errorf("%w: argument %q is missing: %s", ErrInput, spec.Name, sig.usage())
		}
	}
	return ordered, given, nil
}

// CheckOutputs checks what a method returned for inputs of so many rows. Errors
// wrap [ErrOutput], and [ErrOutputLength] where an output has another number of
// rows than the inputs. A method that has not declared its outputs must return at
// least one and at most [tensor.MaxNamed]; what they may be, [Signature.OutputSpecs] says.
func CheckOutputs(sig Signature, outputs []tensor.Tensor, rows int) error {
	specs := sig.OutputSpecs(len(outputs))
	switch {
	case len(outputs) != len(specs):
		return fmt.Errorf("%w: method %q returned %d outputs, want %d", ErrOutput, sig.Name, len(outputs), len(specs))
	case len(outputs) == 0:
		return fmt.Errorf("%w: method %q returned no outputs, want at least one", ErrOutput, sig.Name)
	case len(outputs) > tensor.MaxNamed:
		return fmt.Errorf("%w: method %q returned %d outputs, want at most %d", ErrOutput, sig.Name, len(outputs), tensor.MaxNamed)
	}
	for i, spec := range specs {
		if fault := spec.check(outputs[i], sig.batchDim(sig.BatchDim.Out)); fault != "" {
			return fmt.Errorf("%w: output %q of method %q %s", ErrOutput, spec.Name, sig.Name, fault)
		}
		if !sig.Batchable {
			continue
		}
		if n := outputs[i].Shape()[sig.BatchDim.Out]; n != rows {
			return fmt.Errorf("%w: %w: output %q of method %q has %d rows for %d rows of input",
				ErrOutput, ErrOutputLength, spec.Name, sig.Name, n, rows)
		}
	}
	return nil
}

// batchDim is dim, or -1 where there is no batch dimension.
func (s Signature) batchDim(dim int) int {
	if !s.Batchable {
		return -1
	}
	return dim
}

// usage says what the arguments of the method are.
func (s Signature) usage() string {
	if len(s.Inputs) == 0 {
		return s.Name + " takes no argument"
	}
	args := make([]string, len(s.Inputs))
	for i, v := range s.Inputs {
		args[i] = fmt.Sprintf("%s (%s)", v.Name, v)
	}
	return fmt.Sprintf("%s takes %s", s.Name, strings.Join(args, ", "))
}

// String describes the type of the value, such as "BYTES [-1] of text", or "ANY,
// optional".
func (v ValueSpec) String() string {
	s := v.DType.String()
	switch {
	case v.DType == tensor.Any && v.Content == Opaque:
		s += " of numbers"
	case v.DType == tensor.Any:
	default:
		s += " " + shapeString(v.Shape)
		if v.Content != Opaque {
			s += " of " + string(v.Content)
		}
	}
	if v.Optional {
		s += ", optional"
	}
	return s
}

// check says what is wrong with a value, as the rest of a sentence about it, or
// nothing. batchDim is -1 where there is none.
func (v ValueSpec) check(t tensor.Tensor, batchDim int) string {
	var fault string
	if v.DType == tensor.Any {
		fault = v.checkAny(t)
	} else {
		fault = v.checkType(t)
	}
	if fault != "" {
		return fault
	}
	if batchDim >= len(t.Shape()) {
		return fmt.Sprintf("has shape %s, which has no batch dimension %d", shapeString(t.Shape()), batchDim)
	}
	return v.checkContent(t)
}

// checkAny checks the type of a value that may have any.
func (v ValueSpec) checkAny(t tensor.Tensor) string {
	switch {
	case !t.DType().Valid():
		return fmt.Sprintf("has data type %s, which no value has", t.DType())
	case t.DType() == tensor.Bytes && v.Content != JSON:
		return "has data type BYTES, want numbers, or booleans, in arrays of equal lengths"
	}
	return ""
}

// checkType checks type and shape against those that are declared.
func (v ValueSpec) checkType(t tensor.Tensor) string {
	if t.DType() != v.DType {
		return fmt.Sprintf("has data type %s, want %s", t.DType(), v.DType)
	}
	if len(t.Shape()) != len(v.Shape) {
		return fmt.Sprintf("has shape %s of rank %d, want %s of rank %d",
			shapeString(t.Shape()), len(t.Shape()), shapeString(v.Shape), len(v.Shape))
	}
	for i, want := range v.Shape {
		if want >= 0 && t.Shape()[i] != want {
			return fmt.Sprintf("has shape %s, want %s: dimension %d is %d, not %d",
				shapeString(t.Shape()), shapeString(v.Shape), i, t.Shape()[i], want)
		}
	}
	return ""
}

// checkContent checks the elements of text and JSON.
func (v ValueSpec) checkContent(t tensor.Tensor) string {
	if t.DType() != tensor.Bytes || v.Content == Opaque {
		return ""
	}
	valid, want := utf8.Valid, "text in UTF-8"
	if v.Content == JSON {
		valid, want = json.Valid, "one JSON document"
	}
	for i, item := range t.Items() {
		if !valid(item) {
			if t.Len() == 1 {
				return "is not " + want
			}
			return fmt.Sprintf("has element %d that is not %s", i, want)
		}
	}
	return ""
}
