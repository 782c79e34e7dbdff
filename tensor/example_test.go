package tensor_test

import (
	"fmt"

	"github.com/ekiben/ekiben/tensor"
)

func ExampleOf() {
	t, err := tensor.Of([]int{2, 2}, []float32{5.1, 3.5, 4.9, 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(t.DType(), t.Shape(), len(t.Data()), "bytes")
	// Output: FP32 [2 2] 16 bytes
}

// A batch is the rows of several calls; its result is cut back into theirs.
func ExampleConcat() {
	one, _ := tensor.OfStrings([]int{1}, []string{"bento"})
	two, _ := tensor.OfStrings([]int{2}, []string{"soba", "udon"})
	batch, err := tensor.Concat(0, []tensor.Tensor{one, two})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(batch.Strings())
	calls, err := tensor.Split(batch, 0, []int{1, 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(calls[0].Strings(), calls[1].Strings())
	// Output:
	// [bento soba udon]
	// [bento] [soba udon]
}

func ExampleParseJSON() {
	t, err := tensor.ParseJSON(tensor.Uint8, []int{-1, 2}, []byte(`[[1, 2], [3, 4], [5, 6]]`), tensor.EncodeOpaque)
	fmt.Printf("%v %v %v\n", t.Shape(), t.Data(), err)
	_, err = tensor.ParseJSON(tensor.Uint8, []int{-1, 2}, []byte(`[[1, 2], [3, 300]]`), tensor.EncodeOpaque)
	fmt.Println(err)
	// Output:
	// [3 2] [1 2 3 4 5 6] <nil>
	// invalid tensor: [1][1]: 300 is out of the range of UINT8
}

func ExampleAppendJSON() {
	t, err := tensor.OfItems([]int{2}, [][]byte{[]byte(`{"label": "positive"}`), []byte(`null`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := tensor.AppendJSON(nil, t, tensor.EncodeJSON)
	fmt.Println(string(out), err)
	// Output: [{"label":"positive"},null] <nil>
}

func ExampleTensor_Float32s() {
	t, err := tensor.FromFloat32s(tensor.FP16, []int{2}, []float32{0.1, 70000})
	if err != nil {
		fmt.Println(err)
		return
	}
	values, err := t.Float32s()
	fmt.Println(values, err)
	// Output: [0.099975586 +Inf] <nil>
}

func ExampleDecodeNamed() {
	text, _ := tensor.OfStrings([]int{1}, []string{"BentoML is great"})
	wire := tensor.AppendNamed(nil, []tensor.Named{{Name: "input_text", Tensor: text}})
	values, rest, err := tensor.DecodeNamed(wire)
	fmt.Println(values[0].Name, values[0].Tensor.Strings(), len(rest), err)
	// Output: input_text [BentoML is great] 0 <nil>
}
