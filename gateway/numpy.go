package gateway

import (
	"fmt"
	"strings"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// decodeNPY reads a .npy file. One of another data type is refused with what to
// do about it: numbers are FP64 in numpy unless somebody says otherwise.
func decodeNPY(v *runnables.ValueSpec, raw []byte) (tensor.Tensor, error) {
	t, err := tensor.ReadNPY(raw)
	if err != nil {
		return tensor.Tensor{}, err
	}
	name := numpyName(v.DType)
	if t.DType() == v.DType || name == "" {
		return t, nil
	}
	return tensor.Tensor{}, &Problem{
		Code: CodeInvalidInput,
		Detail: fmt.Sprintf("argument %q has data type %s, want %s: save it with .astype('%s')",
			v.Name, t.DType(), v.DType, name),
	}
}

// numpyName is what numpy calls a data type, or nothing if it has none.
func numpyName(d tensor.DType) string {
	switch d {
	case tensor.FP16:
		return "float16"
	case tensor.FP32:
		return "float32"
	case tensor.FP64:
		return "float64"
	case tensor.BF16, tensor.Bytes:
		return ""
	default:
		return strings.ToLower(d.String())
	}
}
