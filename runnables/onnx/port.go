package onnx

import (
	"fmt"
	"regexp"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// port is one input or output of a graph.
type port struct {
	name  string
	dtype tensor.DType

	// dims has -1 for a dimension of any size.
	dims []int

	// symbols are the names of the dimensions of any size, as far as the file has
	// them. It may be shorter than dims.
	symbols []string
}

// spec is the port as an argument or output.
func (p port) spec() runnables.ValueSpec {
	spec := runnables.ValueSpec{Name: p.name, DType: p.dtype, Shape: p.dims}
	if p.dtype == tensor.Bytes {
		spec.Content = runnables.Text
	}
	return spec
}

// shape is the shape of a value of so many rows along dimension 0, and whether
// that is known. Without rows, which is 0, no dimension may be open.
func (p port) shape(rows int) ([]int, bool) {
	shape := make([]int, len(p.dims))
	for i, d := range p.dims {
		if i == 0 && d < 0 && rows > 0 {
			d = rows
		}
		if d < 0 {
			return nil, false
		}
		shape[i] = d
	}
	return shape, true
}

// numbered are names that exporters of TensorFlow models invent, another one for
// each dimension.
var numbered = regexp.MustCompile(`^unk__\d+$`)

// symbol is the name of a dimension, or nothing.
func (p port) symbol(dim int) string {
	if len(p.symbols) <= dim || numbered.MatchString(p.symbols[dim]) {
		return ""
	}
	return p.symbols[dim]
}

// fixed says why the first dimension of a port cannot count rows, or nothing.
func (p port) fixed() string {
	switch {
	case len(p.dims) == 0:
		return fmt.Sprintf("%q is a scalar", p.name)
	case p.dims[0] >= 0:
		return fmt.Sprintf("the first dimension of %q is fixed to %d", p.name, p.dims[0])
	}
	return ""
}

// countsRows reports whether the first dimension of all ports is the number of
// rows: it is open, and nowhere has another name. Otherwise why says so.
func countsRows(ports []port) (why string) {
	var first port
	for _, p := range ports {
		if why := p.fixed(); why != "" {
			return why
		}
		switch {
		case p.symbol(0) == "":
		case first.symbol(0) == "":
			first = p
		case p.symbol(0) != first.symbol(0):
			return fmt.Sprintf("the first dimension of %q is %s, that of %q is %s", first.name, first.symbol(0), p.name, p.symbol(0))
		}
	}
	return ""
}

// signatureOf makes the signature of a graph. why says for what reason the method
// is not batchable, if it is not.
func signatureOf(init Init, inputs, outputs []port) (sig runnables.Signature, why string, err error) {
	all := append(append([]port{}, inputs...), outputs...)
	why = countsRows(all)
	if init.Batchable != nil && *init.Batchable && why != "" {
		for _, p := range all {
			if fixed := p.fixed(); fixed != "" {
				return sig, "", fmt.Errorf("init parameters: batchable is true, but %s: export the model with a first dimension of any size", fixed)
			}
		}
		why = ""
	}
	if init.Batchable != nil && !*init.Batchable {
		why = "the runner says so"
	}
	sig = runnables.Signature{Name: init.Method, Batchable: why == ""}
	for _, p := range inputs {
		sig.Inputs = append(sig.Inputs, p.spec())
	}
	for _, p := range outputs {
		sig.Outputs = append(sig.Outputs, p.spec())
	}
	return sig, why, sig.Validate()
}
