package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/ekiben/ekiben/loadtest"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// model is a case of benchmark 8: a runner at saturation over the path, against
// the same batches given to its instance without it.
type model struct {
	name     string
	runnable string
	method   string
	init     runnables.Init
	shape    []int // of a row
	dtype    tensor.DType

	// rows is how many rows a call has, calls how many of them are a batch.
	rows, calls int
}

func (m model) batch() int { return m.rows * m.calls }

// modelCases are the cases, whose files are in dir.
func modelCases() []model {
	return []model{
		{
			name: "Python no-op on rows of 602 KB", runnable: "python:noop:Noop", method: "run",
			shape: []int{3, 224, 224}, dtype: tensor.FP32, rows: 1, calls: 4,
		},
		{
			name: "scikit-learn on iris", runnable: "python:iris:IrisClassifier", method: "predict",
			init: runnables.Init{"model_file": "iris.joblib"}, shape: []int{4}, dtype: tensor.FP64, rows: 2000, calls: 4,
		},
		{
			name: "ONNX digits", runnable: "onnx", method: "run",
			init: runnables.Init{"path": "digits.onnx"}, shape: []int{64}, dtype: tensor.FP32, rows: 250, calls: 4,
		},
	}
}

// noop is the module of the first case.
const noop = `import ekiben
import numpy as np


class Noop(ekiben.Runnable):
    @ekiben.Runnable.method(batchable=True)
    def run(self, images):
        return np.zeros(len(images), np.float32)
`

// models is benchmark 8: what the whole path does with real models, one process
// each.
func (b *bench) models(ctx context.Context) ([]Figure, error) {
	dir, err := b.modelFiles(ctx)
	if err != nil {
		return nil, err
	}
	var figures []Figure
	for _, m := range modelCases() {
		got, err := b.model(ctx, m, dir)
		if err != nil {
			return figures, fmt.Errorf("%s: %w", m.name, err)
		}
		figures = append(figures, got...)
	}
	return figures, nil
}

// modelFiles makes a folder with what the cases load.
func (b *bench) modelFiles(ctx context.Context) (string, error) {
	dir, err := b.dir("models")
	if err != nil {
		return "", err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "noop.py"), []byte(noop), 0o600); err != nil {
		return "", err
	}
	for _, file := range []string{"iris/iris.py", "iris/train.py", "digits/digits.onnx"} {
		text, err := os.ReadFile(filepath.Join(b.Root, "examples", file))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), text, 0o600); err != nil {
			return "", err
		}
	}
	train := exec.CommandContext(ctx, b.Python, "train.py")
	train.Dir = dir
	if out, err := train.CombinedOutput(); err != nil {
		return "", fmt.Errorf("train the iris classifier with %s: %w\n%s", b.Python, err, out)
	}
	return dir, nil
}

// model measures one case.
func (b *bench) model(ctx context.Context, m model, dir string) (_ []Figure, err error) {
	options := runnables.Runner{
		Name: "model", Runnable: m.runnable, Init: m.init, Dir: dir, MaxBatchSize: m.batch(), Replicas: 1,
	}
	if options.Kind() == runnables.PythonKind {
		options.Python = b.Python
	}
	rows, err := randomRows(m)
	if err != nil {
		return nil, err
	}
	body, err := tensor.AppendNPY(nil, rows)
	if err != nil {
		return nil, err
	}
	kind := call("/v1/runners/model/"+m.method, "application/x-npy", body)
	kind.Header.Set("Accept", "application/json, application/x-npy")

	s, err := b.stack(ctx, "model", topology{gateways: 1, workers: 1, runners: modelRunner(options), folder: dir}, kind)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()

	var loop, path, ratio rounds
	for range b.times(3) {
		inLoop, err := b.modelLoop(ctx, m, options, rows)
		if err != nil {
			return nil, err
		}
		report, err := b.load(ctx, m.name, loadtest.Plan{
			Targets: s.targets(), Kinds: []loadtest.Kind{kind}, Connections: 4 * m.calls,
			Warmup: b.span(time.Second), Duration: b.span(5 * time.Second),
		})
		if err == nil {
			err = clean(report)
		}
		if err != nil {
			return nil, err
		}
		overPath := report.GoodputPerSecond * float64(m.rows)
		loop, path, ratio = append(loop, inLoop), append(path, overPath), append(ratio, overPath/inLoop)
	}
	what := fmt.Sprintf("%s, batches of %d rows, %d a call, 1 process", m.name, m.batch(), m.rows)
	return []Figure{
		fact(8, what+": in a loop", loop.spread("%.0f rows/s")),
		fact(8, what+": over the path", path.spread("%.0f rows/s")),
		atLeast(8, m.name+": over the path / in a loop", ratio.spread("%.2f"), ratio.median(), 0.9),
	}, nil
}

// modelRunner is the runners file of a case.
func modelRunner(r runnables.Runner) string {
	var text strings.Builder
	fmt.Fprintf(&text, "  - name: %s\n    runnable: %q\n    max_batch_size: %d\n    replicas: %d\n    cpu: 1\n", r.Name, r.Runnable, r.MaxBatchSize, r.Replicas)
	if r.Python != "" {
		fmt.Fprintf(&text, "    python: %q\n", r.Python)
	}
	for name, value := range r.Init {
		fmt.Fprintf(&text, "    init: {%s: %q}\n", name, value)
	}
	return lines(text.String())
}

// randomRows are the rows of one call.
func randomRows(m model) (tensor.Tensor, error) {
	shape := append([]int{m.rows}, m.shape...)
	n, err := tensor.Elements(shape)
	if err != nil {
		return tensor.Tensor{}, err
	}
	values := make([]float64, n)
	for i := range values {
		values[i] = float64(i % 8)
	}
	if m.dtype == tensor.FP64 {
		return tensor.Of(shape, values)
	}
	small := make([]float32, n)
	for i, v := range values {
		small[i] = float32(v)
	}
	return tensor.Of(shape, small)
}

// modelLoop gives batches to an instance, one after the other, and returns rows a
// second.
func (b *bench) modelLoop(ctx context.Context, m model, options runnables.Runner, rows tensor.Tensor) (_ float64, err error) {
	instance, method, err := b.instance(ctx, options, m.method)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, instance.Close()) }()
	parts := make([]tensor.Tensor, m.calls)
	for i := range parts {
		parts[i] = rows
	}
	started, batches := time.Now(), 0
	for time.Since(started) < b.span(3*time.Second) {
		if err := runBatch(ctx, method, parts); err != nil {
			return 0, err
		}
		batches++
	}
	rate := float64(batches*m.batch()) / time.Since(started).Seconds()
	b.Log.InfoContext(ctx, "loop", "name", m.name, "rows_per_s", rate)
	return rate, nil
}

// instance makes an instance of a runner here, and finds its method of one
// argument.
func (b *bench) instance(ctx context.Context, options runnables.Runner, name string) (runnables.Runnable, runnables.Method, error) {
	kind, ok := b.Kinds.Of(options)
	if !ok {
		return nil, runnables.Method{}, fmt.Errorf("there is no kind of %q", options.Runnable)
	}
	instance, err := kind.New(ctx, runnables.Setup{
		Runner: options.WithDefaults(), Place: runnables.Place{Threads: 1}, Log: b.Log,
	})
	if err != nil {
		return nil, runnables.Method{}, err
	}
	method, err := methodNamed(instance, name)
	if err != nil {
		return nil, runnables.Method{}, errors.Join(err, instance.Close())
	}
	return instance, method, nil
}

// runBatch runs a method of one argument on the calls of a batch, as a worker
// does.
func runBatch(ctx context.Context, method runnables.Method, parts []tensor.Tensor) error {
	if method.RunParts != nil {
		out, err := method.RunParts(ctx, [][]tensor.Tensor{parts})
		if out.Release != nil {
			out.Release()
		}
		return err
	}
	joined, err := tensor.Concat(method.BatchDim.In, parts)
	if err == nil {
		_, err = method.Run(ctx, []tensor.Tensor{joined})
	}
	return err
}
