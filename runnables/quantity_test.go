package runnables_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/ekiben/ekiben/runnables"
)

func TestQuantitiesAreReadAsRunnerFilesHaveThem(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		given any
		want  string
		json  string
	}{
		{nil, "", "null"},
		{4, "4", "4"},
		{uint64(3), "3", "3"},
		{2.5, "2.5", "2.5"},
		{"2", "2", "2"},
		{"500m", "0.5", "0.5"},
		{"1500m", "1.5", "1.5"},
		{"system", "system", `"system"`},
		{[]any{0, uint64(2)}, "[0, 2]", `["0","2"]`},
		{[]any{"GPU-1f"}, "[GPU-1f]", `["GPU-1f"]`},
		{[]any{}, "0", "0"},
	} {
		q, err := runnables.ParseQuantity(c.given)
		if err != nil || q.String() != c.want || q.Given() != (c.given != nil) {
			t.Errorf("ParseQuantity(%v) = %q, %v, want %q", c.given, q, err, c.want)
		}
		if raw, err := json.Marshal(q); err != nil || string(raw) != c.json {
			t.Errorf("%v is %s as JSON, %v, want %s", c.given, raw, err, c.json)
		}
	}
}

func TestWhatIsNoQuantityIsRefused(t *testing.T) {
	t.Parallel()

	for _, given := range []any{-1, "-2", "500mXYZ", "1.5mm", "", "four", "NaN", "Inf", true, []any{-1}, []any{1.5}, []any{0, 0}, []any{"0,1"}, map[string]any{}} {
		if q, err := runnables.ParseQuantity(given); !errors.Is(err, runnables.ErrQuantity) {
			t.Errorf("ParseQuantity(%v) = %q, %v, want an error", given, q, err)
		}
	}
}

func TestPlacesSayWhatProcessesMustFindInTheirEnvironment(t *testing.T) {
	t.Parallel()

	env := runnables.Place{Threads: 2}.Environment()
	if env["CUDA_VISIBLE_DEVICES"] != "-1" || env["OMP_NUM_THREADS"] != "2" || env["TF_NUM_INTRAOP_THREADS"] != "2" || len(env) != 11 {
		t.Errorf("on two cores: %v", env)
	}
	env = runnables.Place{Devices: []string{"1", "3"}, Env: map[string]string{"TPU": "0"}}.Environment()
	if env["CUDA_VISIBLE_DEVICES"] != "1,3" || env["CUDA_DEVICE_ORDER"] != "PCI_BUS_ID" || env["TPU"] != "0" || len(env) != 3 {
		t.Errorf("on two devices: %v", env)
	}
	env = runnables.Place{Threads: 2, Env: map[string]string{"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "7"}}.Environment()
	if device, set := env["CUDA_VISIBLE_DEVICES"]; device != "" || !set || env["OMP_NUM_THREADS"] != "7" || env["MKL_NUM_THREADS"] != "2" {
		t.Errorf("with a strategy's own: %v", env)
	}
}
