package process_test

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"testing"

	"github.com/ekiben/ekiben/tensor"
)

// goldenFrames are the frames of testdata/frames, by name.
func goldenFrames(t *testing.T) map[string]golden {
	t.Helper()
	slot := func(n uint32) *uint32 { return &n }
	call := func(about string, p goldenPayload) golden { return golden{about, "CALL", 7, nil, &p} }
	result := func(about string, p goldenPayload) golden { return golden{about, "RESULT", 7, nil, &p} }
	message := func(about, kind string, id uint64, body string) golden {
		return golden{about, kind, id, json.RawMessage(body), nil}
	}
	return map[string]golden{
		"start": message("what to make", "START", 0, `{"protocol":1,"runner":"iris_clf","instance":2,"runnable":"python:iris:Classifier",
			"target":"iris:Classifier","init":{"path":"iris.json","depth":3},"models":["iris:latest"],"describe":false,
			"max_batch_size":32,"batchable":{"predict":20},"place":{"devices":["0","1"],"threads":4}}`),
		"start_describe": message("only the class is loaded", "START", 0, `{"protocol":1,"runner":"iris_clf","instance":0,
			"runnable":"python:iris:Classifier","target":"iris:Classifier","init":null,"describe":true,"max_batch_size":32,"batchable":{},
			"place":{"devices":[],"threads":0}}`),
		"ready": message("what was made", "READY", 0, `{"protocol":1,"language":"python 3.11.7","pid":4711,
			"resources":{"nvidia_gpu":true,"no_cpu":false,"multi_threading":true,"custom":["tpu"]},
			"methods":[{"name":"predict","batchable":true,"batch_dim":{"in":1,"out":0},
			"inputs":[{"name":"x","datatype":"FP32","shape":[4,-1]}],"outputs":[{"name":"result","datatype":"INT64","shape":[-1]}]},
			{"name":"explain","batchable":false,"inputs":[{"name":"text","datatype":"BYTES","shape":[],"content":"text"}],
			"outputs":[{"name":"result","datatype":"BYTES","shape":[],"content":"json"}]}]}`),
		"failed_import": message("the module cannot be loaded", "FAILED", 0,
			`{"reason":"import","message":"No module named 'torch'","traceback":"Traceback (most recent call last):\n  …"}`),
		"failed_signature": message("a method cannot be served, no traceback", "FAILED", 0,
			`{"reason":"signature","message":"method 'predict' of Model: it takes no self"}`),
		"failed_protocol": message("START is not understood", "FAILED", 0,
			`{"reason":"protocol","message":"this child speaks version 1 of the protocol only"}`),
		"failed_init": message("the constructor failed, no traceback", "FAILED", 0, `{"reason":"init","message":"path: no such file"}`),
		"call_inline": call("one tensor in line", goldenPayload{
			Method: 1, Rows: 2, Slot: slot(0), Tensors: []goldenTensor{inline(t, []int{2, 3}, []float32{0, 1, -2, 0.5, 1e10, -0.25})},
		}),
		"call_region": call("one tensor in the region of inputs", goldenPayload{
			Method: 0, Rows: 4, Slot: slot(2),
			Tensors: []goldenTensor{{In: "region", DType: "FP32", Number: 12, Shape: []int{4, 3, 224, 224}, Offset: 0, Size: 4 * 3 * 224 * 224 * 4}},
		}),
		"call_several": call("in line, in the region at an offset, in line again: the data in line is in one piece", goldenPayload{
			Method: 3, Rows: 1, Slot: slot(1), Tensors: []goldenTensor{
				inline(t, []int{1, 2}, []int64{math.MinInt64, math.MaxInt64}),
				{In: "region", DType: "UINT8", Number: 2, Shape: []int{1, 70000}, Offset: 128, Size: 70000},
				inline(t, []int{1, 3}, []uint8{0, 128, 255}),
			},
		}),
		"call_optional": call("the second of three arguments is left out", goldenPayload{
			Method: 0, Rows: 1, Tensors: []goldenTensor{
				inline(t, []int{1}, []int32{-5}), {In: "nothing"}, inline(t, []int{1}, []int32{9}),
			},
		}),
		"call_bytes": call("BYTES: each element behind its length as u32", goldenPayload{
			Method: 0, Rows: 3, Slot: slot(0), Tensors: []goldenTensor{texts([]int{3}, "good", "", "žluťoučký")},
		}),
		"call_scalar": call("tensors without dimensions have one element", goldenPayload{
			Method: 0, Rows: 1, Slot: slot(0), Tensors: []goldenTensor{inline(t, []int{}, []float64{2.5}), texts([]int{}, `{"a": [1, null]}`)},
		}),
		"call_empty": call("a tensor without elements", goldenPayload{
			Method: 0, Rows: 2, Slot: slot(0), Tensors: []goldenTensor{inline(t, []int{2, 0, 5}, []float32{})},
		}),
		"call_bool": call("BOOL is 0 or 1", goldenPayload{
			Method: 0, Rows: 3, Slot: slot(0), Tensors: []goldenTensor{inline(t, []int{3}, []bool{true, false, true})},
		}),
		"call_joined": call("the rows of three calls", goldenPayload{
			Method: 0, Rows: 6, Slot: slot(0), Tensors: []goldenTensor{inline(t, []int{6}, []int64{1, 2, 3, 4, 5, 6})}, Tail: "[1,3,2]",
		}),
		"call_no_slot": call("every region of outputs is being read: the answer comes in line", goldenPayload{
			Method: 0, Rows: 1, Tensors: []goldenTensor{inline(t, []int{1, 1}, []uint16{513})},
		}),
		"result_inline": result("one tensor in line, no slot was used", goldenPayload{
			Rows: 2, Tensors: []goldenTensor{inline(t, []int{2}, []int64{1, 0})},
		}),
		"result_region": result("in the region of the frame's slot, and in line", goldenPayload{
			Rows: 2, Slot: slot(2), Tensors: []goldenTensor{
				{In: "region", DType: "FP64", Number: 13, Shape: []int{2, 8192}, Offset: 64, Size: 2 * 8192 * 8},
				inline(t, []int{2}, []int8{-1, 1}),
			},
		}),
		"result_rows": result("the rows 1 and 12 failed, the outputs have all rows", goldenPayload{
			Rows: 13, Tensors: []goldenTensor{inline(t, []int{13}, make([]uint8, 13))},
			Tail: `{"1":{"reason":"input","message":"too long"},"12":{"reason":"runner","message":"KeyError: 'x'"}}`,
		}),
		"result_nothing": result("a method that answers nothing", goldenPayload{Rows: 1, Tensors: []goldenTensor{}}),
		"error_runner": message("an exception", "ERROR", 7,
			`{"reason":"runner","message":"ValueError: negative","traceback":"Traceback (most recent call last):\n  …"}`),
		"error_input":     message("the caller is to blame", "ERROR", 18446744073709551615, `{"reason":"input","message":"x must be positive"}`),
		"error_memory":    message("out of memory", "ERROR", 7, `{"reason":"memory","message":"CUDA out of memory"}`),
		"error_protocol":  message("the call is not understood", "ERROR", 7, `{"reason":"protocol","message":"there is no method 9, only 2"}`),
		"error_output":    message("what was returned cannot be sent", "ERROR", 7, `{"reason":"output","message":"2 rows for 3"}`),
		"error_retryable": message("another try may help", "ERROR", 7, `{"reason":"retryable","message":"the license server is away"}`),
	}
}

// inline is a tensor of Go values in line.
func inline[T tensor.Element](t *testing.T, shape []int, values []T) goldenTensor {
	t.Helper()
	v, err := tensor.Of(shape, values)
	if err != nil {
		t.Fatal(err)
	}
	return goldenTensor{
		In: "line", Number: uint8(v.DType()), Shape: shape,
		Size: len(v.Data()), DataHex: hex.EncodeToString(v.Data()),
	}
}

// texts are BYTES in line.
func texts(shape []int, items ...string) goldenTensor {
	var data []byte
	for _, item := range items {
		data = binary.LittleEndian.AppendUint32(data, uint32(len(item)))
		data = append(data, item...)
	}
	return goldenTensor{In: "line", Number: uint8(tensor.Bytes), Shape: shape, Size: len(data), DataHex: hex.EncodeToString(data)}
}
