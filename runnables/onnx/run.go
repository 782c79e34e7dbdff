//go:build cgo

package onnx

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// run runs the model.
func (m *session) run(ctx context.Context, inputs []tensor.Tensor) (outputs []tensor.Tensor, err error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var pins runtime.Pinner
	defer pins.Unpin()
	in := make([]ort.Value, 0, len(inputs))
	defer func() { destroy(in) }()
	for i, t := range inputs {
		v, err := m.inputs[i].value(t, &pins)
		if err != nil {
			return nil, fmt.Errorf("argument %q: %w", m.inputs[i].name, err)
		}
		in = append(in, v)
	}
	rows := 0
	if m.signature.Batchable {
		rows = inputs[0].Shape()[0]
	}
	results := make([]result, len(m.outputs))
	out := make([]ort.Value, len(m.outputs))
	defer func() { destroy(out) }()
	for i, o := range m.outputs {
		if results[i], err = o.prepare(rows, &pins); err != nil {
			return nil, fmt.Errorf("output %q: %w", o.name, err)
		}
		out[i] = results[i].value
	}
	if err := m.execute(ctx, in, out); err != nil {
		for i := range out {
			out[i] = results[i].value // the binding may have left half a value
		}
		if why := m.disagreement(inputs); why != "" && ctx.Err() == nil {
			return nil, runnables.InputErrorf("%s (%s)", why, err)
		}
		return nil, err
	}
	outputs = make([]tensor.Tensor, len(out))
	for i, v := range out {
		if outputs[i], err = m.outputs[i].of(v, results[i], inputs); err != nil {
			return nil, fmt.Errorf("output %q: %w", m.outputs[i].name, err)
		}
	}
	runtime.KeepAlive(inputs)
	return outputs, nil
}

// disagreement says which inputs of a run that failed have different sizes where the
// model has one name for them, or nothing. Where the run succeeds they may.
func (m *session) disagreement(inputs []tensor.Tensor) string {
	type seen struct {
		argument string
		size     int
	}
	sizes := map[string]seen{}
	for i, in := range m.inputs {
		for d, size := range inputs[i].Shape() {
			symbol := in.symbol(d)
			first, known := sizes[symbol]
			switch {
			case symbol == "":
			case !known:
				sizes[symbol] = seen{in.name, size}
			case first.size != size:
				return fmt.Sprintf("argument %q has %d along dimension %d, but %q is %d in argument %q", in.name, size, d, symbol, first.size, first.argument)
			}
		}
	}
	return ""
}

// execute runs the session, and stops it when the context is done: between two
// nodes of the graph.
func (m *session) execute(ctx context.Context, in, out []ort.Value) error {
	options, err := ort.NewRunOptions()
	if err != nil {
		return fmt.Errorf("onnx: %w", err)
	}
	told := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(told)
		_ = options.Terminate()
	})
	err = m.ort.RunWithOptions(in, out, options)
	if !stop() {
		<-told
	}
	err = errors.Join(err, options.Destroy())
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case outOfMemory(err):
		return runnables.Retryable(fmt.Errorf("onnx: %w", err))
	}
	return fmt.Errorf("onnx: %w", err)
}

// outOfMemory reports whether the library could not get memory: in fewer rows, or
// later, it may.
func outOfMemory(err error) bool {
	text := err.Error()
	return strings.Contains(text, "Failed to allocate memory") || strings.Contains(text, "out of memory")
}

func destroy(values []ort.Value) {
	for _, v := range values {
		if v != nil {
			_ = v.Destroy() // always nil
		}
	}
}
