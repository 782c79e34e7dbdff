//go:build cgo

package onnx

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/ekiben/ekiben/tensor"
)

// otherShape is what the library says when an output does not have the shape that
// the model promises.
const otherShape = "OrtValue shape verification failed"

// warmUp runs a batch of one row and one of the largest size, so that the library
// has its memory before the first call. Where dimensions are open that do not count
// rows nothing is known of what calls will look like, and nothing is run.
func (m *session) warmUp(ctx context.Context, log *slog.Logger) error {
	sizes := []int{0}
	if m.signature.Batchable {
		sizes = []int{1}
		if m.maxRows > 1 {
			sizes = append(sizes, m.maxRows)
		}
	}
	for _, rows := range sizes {
		inputs := make([]tensor.Tensor, len(m.inputs))
		for i, in := range m.inputs {
			shape, known := in.shape(rows)
			if !known {
				log.InfoContext(ctx, "no warm-up: the size of an argument is not known", "argument", in.name)
				return nil
			}
			var err error
			if inputs[i], err = zeros(in.dtype, shape); err != nil {
				return fmt.Errorf("warm-up: %w", err)
			}
		}
		if _, err := m.run(ctx, inputs); err != nil {
			hint := "where zeros are no input for the model, set warmup: false"
			if strings.Contains(err.Error(), otherShape) {
				hint = "the model does not answer as many rows as it is given: where they depend on each other, set batchable: false"
			}
			return fmt.Errorf("warm-up with %d rows of zeros: %w; %s", max(rows, 1), err, hint)
		}
	}
	return nil
}

func zeros(dtype tensor.DType, shape []int) (tensor.Tensor, error) {
	n, err := tensor.Elements(shape)
	if err != nil {
		return tensor.Tensor{}, err
	}
	if dtype == tensor.Bytes {
		return tensor.OfStrings(shape, make([]string, n))
	}
	return tensor.New(dtype, shape, make([]byte, n*dtype.Size()))
}
