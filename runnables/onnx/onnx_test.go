//go:build cgo

package onnx_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/internal/onnxtest"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/onnx"
	"github.com/ekiben/ekiben/runnables/runnablestest"
	"github.com/ekiben/ekiben/tensor"
)

// half is a value of FP16 or BF16.
func half(name string, dtype tensor.DType, shape []int, values ...float32) tensor.Named {
	t, err := tensor.FromFloat32s(dtype, shape, values)
	if err != nil {
		panic(err)
	}
	return tensor.Named{Name: name, Tensor: t}
}

// identity is a sample whose inputs in_X come back as out_X.
func identity(inputs ...tensor.Named) runnablestest.Sample { return identityOf("run", inputs...) }

func identityOf(method string, inputs ...tensor.Named) runnablestest.Sample {
	s := runnablestest.Sample{Method: method, Inputs: inputs}
	for _, in := range inputs {
		s.Want = append(s.Want, tensor.Named{Name: "out_" + strings.TrimPrefix(in.Name, "in_"), Tensor: in.Tensor})
	}
	return s
}

const everyType = "every_data_type_goes_through_a_model"

func TestEveryDataTypeGoesThroughAModel(t *testing.T) {
	t.Parallel()
	onnxtest.Need(t)
	shape := []int{3, 2}
	runnablestest.Conform(t, onnx.Kind(), runnables.Init{"path": model("types"), "method": everyType}, identityOf(everyType,
		runnablestest.Values("in_BOOL", shape, true, false, true, true, false, false),
		runnablestest.Values("in_UINT8", shape, uint8(0), 1, 2, 253, 254, 255),
		runnablestest.Values("in_UINT16", shape, uint16(0), 1, 2, 3, 4, 65535),
		runnablestest.Values("in_UINT32", shape, uint32(0), 1, 2, 3, 4, 1<<32-1),
		runnablestest.Values("in_UINT64", shape, uint64(0), 1, 2, 3, 4, 1<<64-1),
		runnablestest.Values("in_INT8", shape, int8(-128), 1, 2, 3, 4, 127),
		runnablestest.Values("in_INT16", shape, int16(-32768), 1, 2, 3, 4, 32767),
		runnablestest.Values("in_INT32", shape, int32(-1<<31), 1, 2, 3, 4, 1<<31-1),
		runnablestest.Values("in_INT64", shape, int64(-1<<63), 1, 2, 3, 4, 1<<63-1),
		half("in_FP16", tensor.FP16, shape, 0.5, -1, 65504, 3, 4, 6e-8),
		half("in_BF16", tensor.BF16, shape, 0.5, -1, 3e38, 3, 4, 1e-38),
		runnablestest.Values("in_FP32", shape, float32(0.5), -1, 3e38, 3, 4, 1e-38),
		runnablestest.Values("in_FP64", shape, 0.5, -1, 1e308, 3, 4, 1e-308),
		runnablestest.Strings("in_BYTES", shape, "", "a", "müde", "駅弁", "a b", "\n"),
	))
}

// Where only a run tells how large an output is, the library allocates it.
func TestOutputsMayHaveAnySize(t *testing.T) {
	t.Parallel()
	onnxtest.Need(t)
	sample := func(rows, length int, texts ...string) runnablestest.Sample {
		shape, values := []int{rows, length}, make([]float32, rows*length)
		for i := range values {
			values[i] = float32(i) - 1.5
		}
		return identity(half("in_FP16", tensor.FP16, shape, values...), half("in_BF16", tensor.BF16, shape, values...),
			runnablestest.Values("in_FP32", shape, values...), runnablestest.Strings("in_BYTES", shape, texts...))
	}
	runnablestest.Conform(t, onnx.Kind(), runnables.Init{"path": model("lengths")},
		sample(2, 3, "a", "b", "c", "d", "e", "f"), sample(1, 3, "a", "", "c"), sample(1, 1, "z"), sample(3, 0))
}

func TestWeightsMayLieBesideTheModel(t *testing.T) {
	t.Parallel()
	onnxtest.Need(t)
	runnablestest.Conform(t, onnx.Kind(), runnables.Init{"path": model("external")}, runnablestest.Sample{
		Method: "run",
		Inputs: []tensor.Named{half("x", tensor.FP16, []int{2, 2}, 1, 2, 3, 4)},
		Want:   []tensor.Named{half("y", tensor.FP16, []int{2, 2}, 1.5, 2.5, 3.5, 4.5)},
	})
}

func TestAnswersAreThoseOfAnotherRuntime(t *testing.T) {
	t.Parallel()
	onnxtest.Need(t)
	raw, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Rows     int
		A, Sum   []float32
		B        []int64
		Positive []bool
		Whole    []int32
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	rows := golden.Rows
	runnablestest.Conform(t, onnx.Kind(), runnables.Init{"path": model("arithmetic"), "method": "add"}, runnablestest.Sample{
		Method: "add",
		Inputs: []tensor.Named{
			runnablestest.Values("b", []int{rows, 1}, golden.B...), runnablestest.Values("a", []int{rows, 3}, golden.A...),
		},
		Want: []tensor.Named{
			runnablestest.Values("sum", []int{rows, 3}, golden.Sum...), runnablestest.Values("positive", []int{rows, 3}, golden.Positive...),
			runnablestest.Values("whole", []int{rows, 3}, golden.Whole...),
		},
	})
}

func TestValuesMayBeScalars(t *testing.T) {
	t.Parallel()
	onnxtest.Need(t)
	runnablestest.Conform(t, onnx.Kind(), runnables.Init{"path": model("scalars")}, runnablestest.Sample{
		Method: "run",
		Inputs: []tensor.Named{runnablestest.Values("x", []int{3}, float32(1), 2, 3), runnablestest.Values("scale", []int{}, float32(2))},
		Want: []tensor.Named{
			runnablestest.Values("scaled", []int{3}, float32(2), 4, 6), runnablestest.Values("total", []int{}, float32(12)),
			half("half", tensor.FP16, []int{}, 12),
		},
	})
}

// start makes a warm instance that ends with the test, and returns its method.
func start(t *testing.T, s runnables.Setup) runnables.Method {
	t.Helper()
	onnxtest.Need(t)
	s.Runner = s.Runner.WithDefaults()
	in, err := onnx.Kind().New(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	})
	if w, ok := in.(runnables.Warmer); ok {
		if err := w.Warmup(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return in.Methods()[0]
}

func setup(init runnables.Init) runnables.Setup {
	return runnables.Setup{Runner: runnables.Runner{Init: init}}
}

func TestTheBatchDimensionIsFoundInTheModel(t *testing.T) {
	t.Parallel()
	onnxtest.Need(t)
	for _, c := range []struct {
		model     string
		batchable any
		want      bool
		reason    string
	}{
		{"types", nil, true, ""},
		{"lengths", nil, true, ""},
		{"arithmetic", nil, true, ""},
		{"arithmetic", false, false, "the runner says so"},
		{"single", nil, false, `the first dimension of \"in_FP32\" is fixed to 1`},
		{"scalars", nil, false, `\"scale\" is a scalar`},
		{"found", nil, false, `the first dimension of \"x\" is batch, that of \"places\" is found`},
		{"found", true, true, ""},
	} {
		var log strings.Builder
		s := setup(runnables.Init{"path": model(c.model), "batchable": c.batchable, "warmup": false})
		s.Log = slog.New(slog.NewTextHandler(&log, nil))
		m := start(t, s)
		if m.Batchable != c.want {
			t.Errorf("%s with batchable: %v is batchable: %v", c.model, c.batchable, m.Batchable)
		}
		if told := strings.Contains(log.String(), "calls are not run together"); told == c.want || !strings.Contains(log.String(), c.reason) {
			t.Errorf("%s with batchable: %v tells %s", c.model, c.batchable, &log)
		}
	}
}

func TestTheSignatureIsThatOfTheModel(t *testing.T) {
	t.Parallel()
	got := start(t, setup(runnables.Init{"path": model("lengths")})).Signature
	raw, err := json.Marshal(got.Inputs[3])
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"name":"in_BYTES","datatype":"BYTES","shape":[-1,-1],"content":"text"}`; string(raw) != want {
		t.Errorf("got %s, want %s", raw, want)
	}
	if got.Name != "run" || len(got.Inputs) != 4 || len(got.Outputs) != 4 || got.Outputs[1].Name != "out_BF16" || got.BatchDim != (runnables.BatchDim{}) {
		t.Errorf("got %+v", got)
	}
}

func TestWhatCannotBeServedIsRefusedAtStart(t *testing.T) {
	t.Parallel()
	onnxtest.Need(t)
	garbage := filepath.Join(t.TempDir(), "garbage.onnx")
	if err := os.WriteFile(garbage, []byte("this is no model"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, init := range map[string]runnables.Init{
		"path is missing":                       {},
		"nowhere.onnx":                          {"path": "nowhere.onnx"},
		"not an ONNX model":                     {"path": garbage},
		`"zipmap": False`:                       {"path": model("zipmap")},
		"data type float8e4m3fn":                {"path": model("float8")},
		"has 0 inputs and 1 outputs":            {"path": model("constant")},
		"is fixed to 1: export":                 {"path": model("single"), "batchable": true},
		"must match":                            {"path": model("single"), "method": "No Name"},
		`there is no "pathh"; there are: path`:  {"pathh": "x"},
		"path is a number, want text":           {"path": 5},
		"batchable is text, want true or false": {"path": model("single"), "batchable": "yes"},
	} {
		in, err := onnx.Kind().New(t.Context(), setup(init))
		if err == nil || in != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v gives %v, want %q", init, err, want)
		}
	}
}

func TestInputsOfDifferentWidthsAreTheCallersFault(t *testing.T) {
	t.Parallel()
	m := start(t, setup(runnables.Init{"path": model("widths")}))
	wide := func(width int) tensor.Tensor {
		return runnablestest.Values("", []int{2, width}, make([]float32, 2*width)...).Tensor
	}
	_, err := m.Run(t.Context(), []tensor.Tensor{wide(2), wide(3)})
	if want := `argument "b" has 3 along dimension 1, but "width" is 2 in argument "a"`; !errors.Is(err, runnables.ErrInput) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want ErrInput and %s", err, want)
	}
	if out, err := m.Run(t.Context(), []tensor.Tensor{wide(2), wide(1)}); err != nil || len(out) != 1 {
		t.Errorf("what the model can do is refused: %v", err)
	}
}

func TestAModelIsFoundFromTheFolderOfTheRunner(t *testing.T) {
	t.Parallel()
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	s := setup(runnables.Init{"path": "arithmetic.onnx"})
	s.Runner.Dir = dir
	start(t, s)
}

func TestThreadsAreThoseOfThePlace(t *testing.T) {
	t.Parallel()
	s := setup(runnables.Init{"path": model("arithmetic")})
	s.Place.Threads = 2
	start(t, s)
	s.Place.Threads = -1
	if _, err := onnx.Kind().New(t.Context(), s); err == nil || !strings.Contains(err.Error(), "-1") {
		t.Errorf("-1 threads: %v; are they used?", err)
	}
}

func TestAGPUThatTheLibraryCannotUseIsAnErrorAtStart(t *testing.T) {
	t.Parallel()
	if onnxtest.Need(t).HasCUDA() {
		t.Skip("the library of this machine has CUDA")
	}
	s := setup(runnables.Init{"path": model("arithmetic")})
	s.Place.Devices = []string{"0"}
	_, err := onnx.Kind().New(t.Context(), s)
	if err == nil || !strings.Contains(err.Error(), "use GPU 0") || !strings.Contains(err.Error(), "ONNXRUNTIME_LIB") {
		t.Errorf("%v", err)
	}
}

func TestAGPUIsOnlyTakenWhereTheLibraryCanUseIt(t *testing.T) {
	t.Parallel()
	if onnxtest.Need(t).HasCUDA() {
		t.Skip("the library of this machine has CUDA")
	}
	for _, c := range []struct {
		asked runnables.Quantity
		want  bool
	}{{runnables.Quantity{}, false}, {runnables.Amount(1).Wish(), false}, {runnables.Amount(1), true}} {
		got, err := onnx.Kind().Describe(t.Context(), runnables.Runner{NvidiaGPU: c.asked})
		if err != nil || got.NvidiaGPU != c.want || !got.MultiThreading {
			t.Errorf("a runner that asks for %q GPUs has %+v, %v", c.asked, got, err)
		}
	}
}

func TestWhatKeepsAnInstanceFromBeingMadeIsDescribed(t *testing.T) {
	found := onnxtest.Need(t)
	describe := func(r runnables.Runner) runnables.Resources {
		resources, err := onnx.Kind().Describe(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return resources
	}
	got := describe(runnables.Runner{NvidiaGPU: runnables.Amount(1), Init: runnables.Init{"method": "classify"}})
	if got.Obstacle != "" || !slices.Equal(got.Methods, []string{"classify"}) || !found.HasCUDA() && !strings.Contains(got.GPUObstacle, "has no CUDA") {
		t.Errorf("with a library: %+v", got)
	}
	t.Setenv("ONNXRUNTIME_LIB", filepath.Join(t.TempDir(), "nowhere.so"))
	if got := describe(runnables.Runner{}); !strings.Contains(got.Obstacle, "install onnx") || got.NvidiaGPU || !slices.Equal(got.Methods, []string{"run"}) {
		t.Errorf("without: %+v", got)
	}
}

func TestARunEndsSoonAfterItsContext(t *testing.T) {
	t.Parallel()
	m := start(t, setup(runnables.Init{"path": model("slow"), "warmup": false}))
	ctx, cancel := context.WithCancelCause(t.Context())
	because := errors.New("because")
	forever := runnablestest.Values("n", []int{1}, int64(1)<<60).Tensor
	go cancel(because)
	if _, err := m.Run(ctx, []tensor.Tensor{forever}); !errors.Is(err, because) {
		t.Errorf("it ends with %v", err)
	}
	out, err := m.Run(t.Context(), []tensor.Tensor{runnablestest.Values("n", []int{1}, int64(5)).Tensor})
	if err != nil || !out[0].Equal(runnablestest.Values("", []int{1}, int64(5)).Tensor) {
		t.Errorf("afterwards it counts to %v, %v", out, err)
	}
}

func TestAFailedRunIsAnErrorAndNotTheLastOne(t *testing.T) {
	t.Parallel()
	m := start(t, setup(runnables.Init{"path": model("table")}))
	at := func(i ...int64) []tensor.Tensor {
		return []tensor.Tensor{runnablestest.Values("", []int{len(i)}, i...).Tensor}
	}
	if _, err := m.Run(t.Context(), at(1, 99)); err == nil || !strings.Contains(err.Error(), "onnx: ") {
		t.Errorf("row 99 of 4: %v", err)
	}
	out, err := m.Run(t.Context(), at(1, 3))
	if err != nil || !out[0].Equal(runnablestest.Values("", []int{2, 2}, float32(2), 3, 6, 7).Tensor) {
		t.Errorf("rows 1 and 3 are %v, %v", out, err)
	}
}

func TestTextWithANULIsTheCallersFault(t *testing.T) {
	t.Parallel()
	m := start(t, setup(runnables.Init{"path": model("lengths")}))
	shape := []int{1, 1}
	_, err := m.Run(t.Context(), []tensor.Tensor{
		half("", tensor.FP16, shape, 1).Tensor, half("", tensor.BF16, shape, 1).Tensor,
		runnablestest.Values("", shape, float32(1)).Tensor, runnablestest.Strings("", shape, "a\x00b").Tensor,
	})
	if !errors.Is(err, runnables.ErrInput) {
		t.Errorf("%v, want ErrInput", err)
	}
}

// What comes off a socket lies anywhere.
func TestInputsNeedNotBeAligned(t *testing.T) {
	t.Parallel()
	m := start(t, setup(runnables.Init{"path": model("arithmetic")}))
	a, b := runnablestest.Values("", []int{1, 3}, float32(1), 2, 3).Tensor, runnablestest.Values("", []int{1, 1}, int64(10)).Tensor
	for shift := range 8 {
		moved := make([]tensor.Tensor, 2)
		for i, v := range []tensor.Tensor{a, b} {
			data := append(make([]byte, shift, 64), v.Data()...)[shift:]
			var err error
			if moved[i], err = tensor.New(v.DType(), v.Shape(), data); err != nil {
				t.Fatal(err)
			}
		}
		out, err := m.Run(t.Context(), moved)
		if err != nil || !out[0].Equal(runnablestest.Values("", []int{1, 3}, float32(11), 12, 13).Tensor) {
			t.Errorf("%d bytes off: %v, %v", shift, out, err)
		}
	}
}
