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
		Resources: resources(),
		Describe:  describe,
	}
}

// resources are those of a model where the library can make use of them.
func resources() runnables.Resources {
	return runnables.Resources{NvidiaGPU: true, MultiThreading: true, Greedy: true}
}

// describe takes no GPU for a runner that did not ask for one itself where the
// library can make no use of it. What is wrong with the parameters, and what will
// keep an instance from being made, is told when one is made.
func describe(_ context.Context, r runnables.Runner) (runnables.Resources, error) {
	resources := resources()
	if init, err := parametersOf(r); err == nil {
		resources.Methods = []string{init.Method}
	}
	release := onnxruntime.Pinned()
	found, err := onnxruntime.Find(release)
	if err == nil {
		err = found.Whole(release)
	}
	without := ""
	switch {
	case err != nil:
		resources.Obstacle, without = err.Error(), "there is no ONNX Runtime that can be loaded"
	case !found.HasCUDA():
		without = "the ONNX Runtime that was found has no CUDA"
		resources.GPUObstacle = fmt.Sprintf("the library %s has no CUDA: name one that has in %s, or give the runner nvidia_gpu: 0", found.Path, onnxruntime.Variable)
	}
	if without != "" && (!r.NvidiaGPU.Given() || r.NvidiaGPU.IsWish()) {
		resources.NvidiaGPU, resources.WithoutGPU = false, without
	}
	return resources, nil
}

// parametersOf are the parameters of a runner.
func parametersOf(r runnables.Runner) (Init, error) {
	init := Init{Method: "run", Warmup: true}
	err := r.Init.Decode(&init)
	return init, err
}

func newInstance(ctx context.Context, s runnables.Setup) (runnables.Runnable, error) {
	init, err := parametersOf(s.Runner)
	if err != nil {
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
