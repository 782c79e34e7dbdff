package onnx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/ekiben/ekiben/internal/onnxruntime"
	"github.com/ekiben/ekiben/runnables"
)

// Init are the parameters of the runnable.
type Init struct {
	// Path of the .onnx file, absolute or from the working directory. Weights in
	// files beside it are found.
	Path string `json:"path"`

	// Method is the name of the method. Default: run.
	Method string `json:"method"`

	// Batchable overrides what the file says: false where rows depend on each other,
	// true where dimensions that count rows have different names.
	Batchable *bool `json:"batchable"`

	// Warmup runs a batch of one row and one of the largest size before the first
	// call, of zeros and empty strings. Default: true.
	Warmup bool `json:"warmup"`
}

// Kind makes instances of ONNX files. They can use several cores, and NVIDIA GPUs
// where the library can.
func Kind() runnables.Kind {
	return runnables.Kind{
		New:       newInstance,
		Resources: runnables.Resources{NvidiaGPU: true, MultiThreading: true},
		Describe:  describe,
	}
}

// describe takes no GPU for a runner that did not ask for one itself where the
// library can make no use of it.
func describe(_ context.Context, r runnables.Runner) (runnables.Resources, error) {
	resources := runnables.Resources{NvidiaGPU: true, MultiThreading: true}
	if !r.NvidiaGPU.Given() || r.NvidiaGPU.IsWish() {
		found, err := onnxruntime.Find(onnxruntime.Pinned())
		switch {
		case err != nil: // which is told when an instance is made
			resources.NvidiaGPU, resources.WithoutGPU = false, "ONNX Runtime was not found"
		case !found.HasCUDA():
			resources.NvidiaGPU, resources.WithoutGPU = false, "the ONNX Runtime that was found has no CUDA"
		}
	}
	return resources, nil
}

func newInstance(ctx context.Context, s runnables.Setup) (runnables.Runnable, error) {
	init := Init{Method: "run", Warmup: true}
	if err := s.Runner.Init.Decode(&init); err != nil {
		return nil, err
	}
	if init.Path == "" {
		return nil, errors.New("init parameters: path is missing: the .onnx file to load")
	}
	init.Path = s.Runner.Path(init.Path)
	if _, err := os.Stat(init.Path); err != nil {
		return nil, fmt.Errorf("the model: %w", err)
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	return open(ctx, init, s)
}
