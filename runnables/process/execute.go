//go:build unix

package process

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// run executes calls until the channel ends.
func (s *server) run(ctx context.Context, methods []runnables.Method) error {
	for {
		h, body, err := s.channel.receive()
		if err != nil {
			return err
		}
		if err := s.serve(ctx, methods, h, body); err != nil {
			return err
		}
	}
}

// serve answers one call.
func (s *server) serve(ctx context.Context, methods []runnables.Method, h header, body []byte) error {
	var inputs []tensor.Tensor
	p, err := parsePayload(body)
	switch {
	case h.kind != frameCall:
		err = fmt.Errorf("%w: a %s frame instead of a CALL", errProtocol, h.kind)
	case err != nil:
	case p.method >= len(methods):
		err = fmt.Errorf("%w: there is no method %d", errProtocol, p.method)
	case p.slot != noSlot && int(p.slot) >= len(s.outputs):
		err = fmt.Errorf("%w: there is no region %d", errProtocol, p.slot)
	default:
		inputs, err = s.inputs(p)
	}
	if err != nil {
		f := failure{Reason: reasonProtocol, Message: oneLine(err.Error())}
		return errors.Join(err, s.channel.sendMessage(frameError, h.id, f))
	}
	outputs, f := execute(ctx, methods[p.method], inputs)
	defer outputs.done()
	if f == nil {
		var frame []byte
		if frame, f = s.result(h.id, p, outputs); f == nil {
			return s.channel.send(frame)
		}
	}
	return s.channel.sendMessage(frameError, h.id, f)
}

// inputs are the tensors of a call. Those in the region are read where they lie.
func (s *server) inputs(p payload) ([]tensor.Tensor, error) {
	end := 0
	for _, v := range p.values {
		if v.region {
			end = max(end, v.offset+v.size)
		}
	}
	if err := s.input.reach(end); err != nil {
		return nil, err
	}
	inputs := make([]tensor.Tensor, len(p.values))
	for i, v := range p.values {
		if v.omitted {
			continue
		}
		data := v.data
		var err error
		if v.region {
			if data, err = s.input.read(v.offset, v.size); err != nil {
				return nil, err
			}
		}
		if inputs[i], err = tensor.New(v.dtype, v.shape, data); err != nil {
			return nil, fmt.Errorf("%w: argument %d: %w", errProtocol, i, err)
		}
	}
	return inputs, nil
}

// answered is what a method answered.
type answered struct {
	runnables.Outputs
	rows runnables.RowErrors
}

func (a answered) done() {
	if a.Release != nil {
		a.Release()
	}
}

// execute runs a method. f is why it failed.
func execute(ctx context.Context, m runnables.Method, inputs []tensor.Tensor) (a answered, f *failure) {
	defer func() {
		if v := recover(); v != nil {
			f = &failure{Reason: reasonRunner, Message: oneLine(fmt.Sprint("the method panicked: ", v)), Traceback: string(debug.Stack())}
		}
	}()
	var err error
	if m.RunParts != nil {
		parts := make([][]tensor.Tensor, len(inputs))
		for i := range inputs {
			parts[i] = inputs[i : i+1]
		}
		a.Outputs, err = m.RunParts(ctx, parts)
	} else {
		a.Tensors, err = m.Run(ctx, inputs)
	}
	if rows, ok := errors.AsType[runnables.RowErrors](err); ok {
		a.rows, err = rows, nil
	}
	if err != nil {
		failed := failureOf(err)
		return a, &failed
	}
	return a, nil
}

// result writes a RESULT frame, in memory that the next one reuses. Large outputs
// are written to the region that the call names.
func (s *server) result(id uint64, call payload, a answered) ([]byte, *failure) {
	p := payload{rows: call.rows, slot: noSlot, values: make([]value, len(a.Tensors))}
	end, inline := 0, 0
	for i, t := range a.Tensors {
		if !t.DType().Valid() {
			return nil, &failure{Reason: reasonOutput, Message: fmt.Sprintf("output %d is no tensor", i)}
		}
		v := value{dtype: t.DType(), shape: t.Shape(), size: len(t.Data()), data: t.Data()}
		if v.size >= inlineMax && call.slot != noSlot {
			v.region, v.offset, v.data = true, (end+alignment-1)/alignment*alignment, nil
			end, p.slot = v.offset+v.size, call.slot
		}
		inline += len(v.data)
		p.values[i] = v
	}
	for i, v := range p.values {
		if !v.region {
			continue
		}
		err := s.outputs[p.slot].write(v.offset, v.size, func(dst []byte) error { copy(dst, a.Tensors[i].Data()); return nil })
		if err != nil {
			return nil, &failure{Reason: reasonMemory, Message: oneLine(err.Error())}
		}
	}
	p.tail = tailOf(a.rows)
	b := slices.Grow(appendHeader(s.frame[:0], frameResult, id), inline)
	b = appendPayload(b, p)
	if cap(b) <= remembered {
		s.frame = b
	}
	if err := setLength(b); err != nil {
		return nil, &failure{Reason: reasonOutput, Message: err.Error()}
	}
	return b, nil
}
