package onnx_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/onnx"
)

// model is the path of a model that testdata/make_models.py makes.
func model(name string) string { return filepath.Join("testdata", name+".onnx") }

func TestNamesOfDimensionsAreRead(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]map[string][]string{
		"arithmetic": {"a": {"batch", ""}, "b": {"batch", ""}, "sum": {"batch", ""}, "positive": {"batch", ""}, "whole": {"batch", ""}},
		"found":      {"x": {"batch", ""}, "places": {"found", ""}},
		"single":     {"in_FP32": {"", ""}, "out_FP32": {"", ""}},
		"zipmap":     {"x": {"", ""}, "probabilities": nil},
	} {
		f, err := os.Open(model(name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := onnx.ReadSymbols(f)
		_ = f.Close()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s has %v, %v; want %v", name, got, err, want)
		}
	}
}

func TestAModelThatIsCutShortIsNoModel(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile(model("arithmetic"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := onnx.ReadSymbols(bytes.NewReader(whole[:len(whole)/2])); err == nil || !strings.Contains(err.Error(), "not an ONNX model") {
		t.Errorf("%v", err)
	}
}

func FuzzReadSymbols(f *testing.F) {
	files, err := filepath.Glob("testdata/*.onnx")
	if err != nil || len(files) == 0 {
		f.Fatal("no models", err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		symbols, err := onnx.ReadSymbols(bytes.NewReader(raw))
		for name, dims := range symbols {
			if len(name) > len(raw) || len(dims) > len(raw) {
				t.Errorf("%d bytes have a name of %d bytes and %d dimensions, %v", len(raw), len(name), len(dims), err)
			}
		}
	})
}

func TestRowsAreCountedByTheFirstDimension(t *testing.T) {
	t.Parallel()
	open := []int{-1, 3}
	for _, c := range []struct {
		all  []onnx.Dims
		want string
	}{
		{[]onnx.Dims{{open, nil}, {open, []string{"", ""}}}, ""},
		{[]onnx.Dims{{open, []string{"batch"}}, {open, nil}, {open, []string{"batch", "n"}}}, ""},
		{[]onnx.Dims{{open, nil}, {open, []string{"n"}}, {open, []string{"m"}}}, `the first dimension of "b" is n, that of "c" is m`},
		{[]onnx.Dims{{open, []string{"unk__1"}}, {open, []string{"unk__2"}}, {open, []string{"n"}}}, ""},
		{[]onnx.Dims{{open, nil}, {[]int{1, -1}, nil}}, `the first dimension of "b" is fixed to 1`},
		{[]onnx.Dims{{open, nil}, {nil, nil}}, `"b" is a scalar`},
	} {
		if got := onnx.CountsRows(c.all...); got != c.want {
			t.Errorf("%v: %q, want %q", c.all, got, c.want)
		}
	}
}

func TestDevicesAreNumberedAsTheProcessSeesThem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		device, visible string
		limited         bool
		want            int
		fault           string
	}{
		{"2", "", false, 2, ""},
		{"GPU-abc", "", false, 0, "no index"},
		{"-1", "", false, 0, "no index"},
		{"2", "0,2", true, 1, ""},
		{"GPU-abc", "GPU-abc", true, 0, ""},
		{"GPU-abc-1", "GPU-abd,GPU-ABC", true, 1, ""},
		{"3", "0, 3 ", true, 1, ""},
		{"1", "0,2", true, 0, "not among those"},
		{"123456", "12345", true, 0, "not among those"},
		{"GPU-abc", "GPU-", true, 0, "not among those"},
		{"GPU-abc", "GPU-abcd", true, 0, "not among those"},
		{"0", "-1", true, 0, "not among those"},
	} {
		got, err := onnx.DeviceNumber(runnables.Place{Devices: []string{c.device}}, c.visible, c.limited)
		if (err == nil) != (c.fault == "") || got != c.want || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s of %q is %d, %v; want %d, %s", c.device, c.visible, got, err, c.want, c.fault)
		}
	}
}

func TestADeviceIsFoundByItsIndexWhereItsUUIDIsAskedFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		index   int
		visible string
		limited bool
		want    int
		fault   string
	}{
		{3, "", false, 3, ""},
		{3, "0,3", true, 1, ""},
		{3, "GPU-x,GPU-a", true, 1, ""},
		{3, "0,2", true, 0, "not among those"},
		{-1, "", false, 0, "no index"},
		{-1, "GPU-abc", true, 0, ""},
	} {
		got, err := onnx.DeviceNumber(runnables.Place{Devices: []string{"GPU-abc"}, Indices: []int{c.index}}, c.visible, c.limited)
		if (err == nil) != (c.fault == "") || got != c.want || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("index %d of %q is %d, %v; want %d, %s", c.index, c.visible, got, err, c.want, c.fault)
		}
	}
}
