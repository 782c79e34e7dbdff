//go:build cgo

package onnx_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ekiben/ekiben/internal/onnxtest"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/onnx"
)

// message is a message of protocol buffers with some fields.
type message []byte

func (m message) with(field protowire.Number, value []byte) message {
	return protowire.AppendBytes(protowire.AppendTag(m, field, protowire.BytesType), value)
}

func (m message) number(field protowire.Number, n uint64) message {
	return protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), n)
}

// scalarModel writes a model whose output y is its input x, a scalar of an element
// type of ONNX.
func scalarModel(t *testing.T, element uint64) string {
	t.Helper()
	value := func(name string) message {
		tensorType := message(nil).number(1, element).with(2, nil)
		return message(nil).with(1, []byte(name)).with(2, message(nil).with(1, tensorType))
	}
	node := message(nil).with(1, []byte("x")).with(2, []byte("y")).with(4, []byte("Identity"))
	graph := message(nil).with(1, node).with(2, []byte("scalar")).with(11, value("x")).with(12, value("y"))
	model := message(nil).number(1, 9).with(8, message(nil).with(1, nil).number(2, 17)).with(7, graph)
	path := filepath.Join(t.TempDir(), "scalar.onnx")
	if err := os.WriteFile(path, model, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestScalarsThatTheBindingDoesNotHaveAreRefusedAtStart(t *testing.T) {
	t.Parallel()
	onnxtest.Need(t)
	const float, text, half, brain = 1, 8, 10, 16
	for element, want := range map[uint64][]string{
		float: nil,
		half:  {`input "x" is a scalar of FP16, which cannot be served: export it with shape [1]`},
		brain: {`input "x" is a scalar of BF16`},
		text:  {`input "x" is a scalar of BYTES`, `output "y" is a scalar of text`},
	} {
		in, err := onnx.Kind().New(t.Context(), setup(runnables.Init{"path": scalarModel(t, element)}))
		if err == nil {
			_ = in.Close()
		}
		if (err == nil) != (want == nil) {
			t.Errorf("element type %d: %v", element, err)
		}
		for _, w := range want {
			if err != nil && !strings.Contains(err.Error(), w) {
				t.Errorf("element type %d: %v, want %q", element, err, w)
			}
		}
	}
}
