package runnables

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ekiben/ekiben/tensor"
)

// MaxValueNameLen is the longest name of an argument or output, in bytes.
const MaxValueNameLen = 128

// Validate reports everything that is wrong with the methods of an instance, or
// nil. A worker serves no instance that fails it.
func Validate(r Runnable) error {
	if r == nil {
		return errors.New("the runnable is nil")
	}
	return validateMethods(r.Methods())
}

func validateMethods(methods []Method) error {
	if len(methods) == 0 {
		return errors.New("the runnable has no methods, want at least one")
	}
	var errs []error
	seen := map[string]bool{}
	for _, m := range methods {
		if seen[m.Name] {
			errs = append(errs, fmt.Errorf("method %q is there twice", m.Name))
		}
		seen[m.Name] = true
		if err := m.validate(); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (m Method) validate() error {
	if m.fault != nil {
		return fmt.Errorf("method %q: %w", m.Name, m.fault)
	}
	err := m.Signature.Validate()
	if m.Run == nil {
		err = errors.Join(err, fmt.Errorf("method %q: Run is nil", m.Name))
	}
	return err
}

// Validate reports everything that is wrong with the signature, or nil: names
// must be valid and unique, data types and shapes possible, there must be at
// least one input, and the batch dimension of a batchable method must be a
// dimension of any size of each value that has a shape. Outputs may be undeclared,
// but not optional.
func (s Signature) Validate() error {
	var errs []error
	if err := ValidName(s.Name); err != nil {
		errs = append(errs, err)
	}
	in, out := s.BatchDim.In, s.BatchDim.Out
	if !s.Batchable {
		if s.BatchDim != (BatchDim{}) {
			errs = append(errs, fmt.Errorf("has batch dimensions %d and %d, but is not batchable", in, out))
		}
		in, out = -1, -1
	} else if in < 0 || out < 0 {
		errs = append(errs, fmt.Errorf("batch dimensions are %d and %d, want at least 0", in, out))
		in, out = -1, -1
	}
	if len(s.Inputs) == 0 && s.Batchable {
		errs = append(errs, errors.New("is batchable and has no argument, which would have the rows: want at least one"))
	}
	errs = append(errs, validateValues("argument", s.Inputs, in)...)
	errs = append(errs, validateValues("output", s.Outputs, out)...)
	for _, v := range s.Outputs {
		if v.Optional {
			errs = append(errs, fmt.Errorf("output %q is optional, which only arguments are", v.Name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("method %q: %w", s.Name, err)
	}
	return nil
}

// validateValues checks the arguments or the outputs; batchDim is -1 where there
// is none.
func validateValues(what string, values []ValueSpec, batchDim int) []error {
	var errs []error
	if len(values) > tensor.MaxNamed {
		errs = append(errs, fmt.Errorf("has %d %ss, want at most %d", len(values), what, tensor.MaxNamed))
	}
	seen := map[string]bool{}
	for _, v := range values {
		if seen[v.Name] {
			errs = append(errs, fmt.Errorf("%s %q is there twice", what, v.Name))
		}
		seen[v.Name] = true
		if err := v.validate(batchDim); err != nil {
			errs = append(errs, fmt.Errorf("%s %q: %w", what, v.Name, err))
		}
	}
	return errs
}

func (v ValueSpec) validate(batchDim int) error {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !validValueName(v.Name) {
		fault("name must have 1 to %d bytes of printable UTF-8 without spaces", MaxValueNameLen)
	}
	if v.DType == tensor.Any {
		if len(v.Shape) > 0 {
			fault("shape is %s, but that of %s is the caller's", shapeString(v.Shape), v.DType)
		}
		if v.Content != Opaque && v.Content != JSON {
			fault("content is %q, want %q or nothing for %s", v.Content, JSON, v.DType)
		}
		return errors.Join(errs...)
	}
	if !v.DType.Valid() {
		fault("data type is missing or unknown")
	}
	errs = append(errs, v.validateShape(batchDim))
	switch v.Content {
	case Opaque, Text, JSON:
		if v.Content != Opaque && v.DType != tensor.Bytes {
			fault("content is %q, but only BYTES have content, not %s", v.Content, v.DType)
		}
	default:
		fault("content is %q, want %q, %q or nothing for opaque bytes", v.Content, Text, JSON)
	}
	return errors.Join(errs...)
}

func (v ValueSpec) validateShape(batchDim int) error {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(v.Shape) > tensor.MaxRank {
		fault("shape %s has rank %d, want at most %d", shapeString(v.Shape), len(v.Shape), tensor.MaxRank)
	}
	for _, d := range v.Shape {
		if d == 0 || d < -1 {
			fault("shape %s has dimension %d, want -1 for any size, or at least 1", shapeString(v.Shape), d)
		}
	}
	switch {
	case batchDim >= len(v.Shape):
		fault("shape %s has no batch dimension %d", shapeString(v.Shape), batchDim)
	case batchDim >= 0 && v.Shape[batchDim] != -1:
		fault("batch dimension %d of shape %s is %d, want -1", batchDim, shapeString(v.Shape), v.Shape[batchDim])
	}
	return errors.Join(errs...)
}

func validValueName(name string) bool {
	notPrintable := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) || unicode.IsSpace(r) }
	return name != "" && len(name) <= MaxValueNameLen && !strings.ContainsFunc(name, notPrintable)
}

// shapeString writes a shape as [-1,3].
func shapeString(shape []int) string {
	return strings.ReplaceAll(fmt.Sprint(shape), " ", ",")
}
