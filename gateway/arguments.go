package gateway

import (
	"fmt"
	"slices"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// encodingOf is how elements of BYTES are written in JSON.
func encodingOf(c runnables.Content) tensor.Encoding {
	switch c {
	case runnables.Text:
		return tensor.EncodeText
	case runnables.JSON:
		return tensor.EncodeJSON
	case runnables.Opaque:
	}
	return tensor.EncodeOpaque
}

// jsonArguments reads arguments from JSON: an object has them by name, an array by
// position where the method needs several, and anything else is the only argument
// of a method that has one.
func jsonArguments(m *method, raw []byte) ([]tensor.Named, error) {
	w := walk{raw: raw}
	if err := w.begin(); err != nil {
		return nil, err
	}
	if w.next() == '{' {
		return w.arguments(m)
	}
	if m.byPosition() && w.next() == '[' {
		return w.positions(m)
	}
	if m.single == nil {
		return nil, &Problem{Code: CodeInvalidInput, Detail: "the body must be a JSON object with the arguments by name, or an array of them in their order: " + usage(m)}
	}
	if err := checkJSON(raw); err != nil {
		return nil, err
	}
	arg, err := jsonArgument(m, m.single, raw)
	return []tensor.Named{arg}, err
}

// arguments reads an object of arguments. Names that the method does not have
// are left to [runnables.CheckInputs], which says what there is.
func (w *walk) arguments(m *method) ([]tensor.Named, error) {
	args := make([]tensor.Named, 0, len(m.Inputs))
	w.pos++
	for more := w.next() != '}'; more; {
		name, value, err := w.member()
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(m.Inputs, func(v runnables.ValueSpec) bool { return v.Name == name })
		if i < 0 && m.single != nil && (m.single.DType == tensor.Any || m.single.Content == runnables.JSON) {
			return nil, &Problem{Code: CodeInvalidInput, Detail: fmt.Sprintf("there is no argument %s: %s; to send this object as %s, write {%q: {…}}",
				quote(name[:min(len(name), maxQuoted)]), usage(m), m.single.Name, m.single.Name)}
		}
		if i < 0 {
			return []tensor.Named{{Name: name[:min(len(name), maxQuoted)]}}, nil
		}
		if slices.ContainsFunc(args, func(a tensor.Named) bool { return a.Name == name }) {
			return nil, w.fail("name %s is there twice", quote(name))
		}
		arg, err := jsonArgument(m, &m.Inputs[i], value)
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
		if more = w.next() == ','; more {
			w.pos++
		}
	}
	return args, w.end('}', "object")
}

// byPosition reports whether an array has the arguments. Of a method that has one,
// or needs one, it is that argument.
func (m *method) byPosition() bool { return m.single == nil && len(m.Inputs) > 1 }

// positions reads an array of arguments, in the order of the method's. Those that
// are optional may be left out at its end.
func (w *walk) positions(m *method) ([]tensor.Named, error) {
	args := make([]tensor.Named, 0, len(m.Inputs))
	w.pos++
	for more := w.next() != ']'; more; {
		w.next()
		start := w.pos
		if err := w.value(); err != nil {
			return nil, err
		}
		if len(args) == len(m.Inputs) {
			return nil, &Problem{Code: CodeInvalidInput, Detail: fmt.Sprintf("there are more than %d arguments: %s", len(args), usage(m))}
		}
		arg, err := jsonArgument(m, &m.Inputs[len(args)], w.raw[start:w.pos])
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
		if more = w.next() == ','; more {
			w.pos++
		}
	}
	return args, w.end(']', "array")
}

// end moves behind the end of the arguments, which nothing follows.
func (w *walk) end(closing byte, what string) error {
	if w.next() != closing {
		return w.fail("want a comma or the end of the %s", what)
	}
	w.pos++
	if w.next(); w.pos < len(w.raw) {
		return w.fail("something follows the %s", what)
	}
	return nil
}

// member moves behind one member of an object.
func (w *walk) member() (name string, value []byte, err error) {
	if w.next() != '"' {
		return "", nil, w.fail("want a name in quotes")
	}
	if name, err = w.name(); err != nil {
		return "", nil, err
	}
	if w.next() != ':' {
		return "", nil, w.fail("want a colon after the name")
	}
	w.pos++
	w.next()
	start := w.pos
	if err = w.value(); err != nil {
		return "", nil, err
	}
	return name, w.raw[start:w.pos], nil
}

// jsonArgument reads the value of one argument. One of any type is what it looks
// like, see [tensor.InferJSON].
func jsonArgument(m *method, v *runnables.ValueSpec, raw []byte) (tensor.Named, error) {
	var t tensor.Tensor
	var err error
	if v.DType == tensor.Any {
		t, err = tensor.InferJSON(raw, m.Batchable)
	} else {
		t, err = tensor.ParseJSON(v.DType, v.Shape, raw, encodingOf(v.Content))
	}
	if err != nil {
		return tensor.Named{}, fmt.Errorf("argument %q: %w", v.Name, err)
	}
	return tensor.Named{Name: v.Name, Tensor: t}, nil
}

// usage says what the arguments of a method are.
func usage(m *method) string {
	if len(m.Inputs) == 0 {
		return m.Name + " takes no argument"
	}
	args := make([]string, len(m.Inputs))
	for i, v := range m.Inputs {
		args[i] = fmt.Sprintf("%s (%s)", v.Name, v)
	}
	return m.Name + " takes " + list(args)
}
