//go:build !cgo

package onnx_test

import (
	"strings"
	"testing"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/onnx"
)

func TestABinaryWithoutCgoSaysSo(t *testing.T) {
	t.Parallel()
	s := runnables.Setup{Runner: runnables.Runner{Init: runnables.Init{"path": model("arithmetic")}}}
	if in, err := onnx.Kind().New(t.Context(), s); err == nil || in != nil || !strings.Contains(err.Error(), "built without cgo") {
		t.Errorf("%v", err)
	}
}
