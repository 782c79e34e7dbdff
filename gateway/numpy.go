package gateway

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// decodeNPY reads a .npy file. One of another data type is refused with what to
// do about it: numbers are FP64 in numpy unless somebody says otherwise. Where any
// type will do, strings are JSON documents.
func decodeNPY(v *runnables.ValueSpec, raw []byte) (tensor.Tensor, error) {
	t, err := tensor.ReadNPY(raw)
	if err != nil {
		return tensor.Tensor{}, err
	}
	if v.DType == tensor.Any && t.DType() == tensor.Bytes {
		texts := t.Strings()
		if i := slices.IndexFunc(texts, func(s string) bool { return !utf8.ValidString(s) }); i >= 0 {
			return tensor.Tensor{}, &Problem{Code: CodeInvalidInput, Detail: fmt.Sprintf("argument %q has string %d that is not valid UTF-8", v.Name, i)}
		}
		return textDocuments(t.Shape(), texts...)
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
	case tensor.BF16, tensor.Bytes, tensor.Any:
		return ""
	default:
		return strings.ToLower(d.String())
	}
}
