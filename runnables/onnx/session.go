//go:build cgo

package onnx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/ekiben/ekiben/internal/onnxruntime"
	"github.com/ekiben/ekiben/runnables"
)

// session is a model in memory.
type session struct {
	ort       *ort.DynamicAdvancedSession
	signature runnables.Signature
	inputs    []input
	outputs   []output
	maxRows   int // of a batch
}

// open makes an instance of a file.
func open(ctx context.Context, init Init, s runnables.Setup) (runnables.Runnable, error) {
	found, version, err := load()
	if err != nil {
		return nil, err
	}
	options, err := optionsOf(s, found)
	if err != nil {
		return nil, err
	}
	defer func() { _ = options.Destroy() }()
	m := &session{}
	why, err := m.read(init, options)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", init.Path, err)
	}
	if err := m.create(init.Path, options); err != nil {
		return nil, fmt.Errorf("%s: %w", init.Path, err)
	}
	m.maxRows, _ = s.Runner.Limits(init.Method)
	instance, err := runnables.New(runnables.Method{Signature: m.signature, Run: m.run})
	if err != nil {
		return nil, errors.Join(err, m.close())
	}
	instance.OnClose = m.close
	if init.Warmup {
		instance.OnWarmup = func(ctx context.Context) error { return m.warmUp(ctx, s.Log) }
	}
	s.Log.InfoContext(ctx, "onnx model loaded", "path", init.Path, "library", found.Path, "version", version,
		"batchable", m.signature.Batchable, "threads", s.Place.Threads, "devices", s.Place.Devices)
	if why != "" {
		s.Log.InfoContext(ctx, "calls are not run together", "path", init.Path, "reason", why)
	}
	return instance, nil
}

// read finds out what goes into the model and what comes out.
func (m *session) read(init Init, options *ort.SessionOptions) (why string, err error) {
	f, err := os.Open(init.Path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	symbols, err := readSymbols(f)
	if err != nil {
		return "", err
	}
	in, out, err := ort.GetInputOutputInfoWithOptions(init.Path, options)
	if err != nil {
		return "", fmt.Errorf("load the model: %w", err)
	}
	if len(in) == 0 || len(out) == 0 {
		return "", fmt.Errorf("the graph has %d inputs and %d outputs: a model that can be called has at least one of each", len(in), len(out))
	}
	var errs []error
	var inputs, outputs []port
	for _, info := range in {
		p, err := portOf("input", info, symbols)
		if err == nil {
			m.inputs, inputs = append(m.inputs, input{p, elementOf(p.dtype)}), append(inputs, p)
			err = m.inputs[len(m.inputs)-1].possible()
		}
		errs = append(errs, err)
	}
	for _, info := range out {
		p, err := portOf("output", info, symbols)
		if err == nil {
			m.outputs, outputs = append(m.outputs, outputOf(p, m.inputs)), append(outputs, p)
			err = m.outputs[len(m.outputs)-1].possible()
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	m.signature, why, err = signatureOf(init, inputs, outputs)
	for i := range m.outputs {
		m.outputs[i].choose(m.signature.Batchable)
	}
	return why, err
}

// create makes the session that runs the model.
func (m *session) create(path string, options *ort.SessionOptions) (err error) {
	var in, out, widen []string
	for _, i := range m.inputs {
		in = append(in, i.name)
	}
	for _, o := range m.outputs {
		if o.widened {
			widen = append(widen, o.name)
		}
		out = append(out, o.asked())
	}
	if len(widen) == 0 {
		m.ort, err = ort.NewDynamicAdvancedSession(path, in, out, options)
	} else {
		m.ort, err = widenedSession(path, widen, in, out, options)
	}
	if err != nil {
		return fmt.Errorf("load the model: %w", err)
	}
	return nil
}

// folderEntry says where weights are that lie in files beside the model, when the
// model itself is in memory.
const folderEntry = "session.model_external_initializers_file_folder_path"

func widenedSession(path string, widening, in, out []string, options *ort.SessionOptions) (*ort.DynamicAdvancedSession, error) {
	model, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	if err := options.AddSessionConfigEntry(folderEntry, folder); err != nil {
		return nil, err
	}
	return ort.NewDynamicAdvancedSessionWithONNXData(widen(model, widening), in, out, options)
}

func (m *session) close() error { return m.ort.Destroy() }

// spinningEntry says whether threads burn their core while they wait for the next
// batch. With two threads and a batch every millisecond that was a whole core, six
// times what the batches took.
const spinningEntry = "session.intra_op.allow_spinning"

// optionsOf are the options of a session in its place.
func optionsOf(s runnables.Setup, found onnxruntime.Found) (options *ort.SessionOptions, err error) {
	if options, err = ort.NewSessionOptions(); err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	err = errors.Join(options.SetIntraOpNumThreads(s.Place.Threads), options.SetInterOpNumThreads(1),
		options.AddSessionConfigEntry(spinningEntry, "0"))
	if err == nil && len(s.Place.Devices) > 0 {
		if len(s.Place.Devices) > 1 {
			s.Log.Warn("a model runs on one GPU: the others are not used", "devices", s.Place.Devices)
		}
		err = useGPU(options, s.Place, found)
	}
	if err != nil {
		_ = options.Destroy()
		return nil, err
	}
	return options, nil
}

// useGPU adds CUDA to the options.
func useGPU(options *ort.SessionOptions, p runnables.Place, found onnxruntime.Found) error {
	visible, limited := os.LookupEnv("CUDA_VISIBLE_DEVICES")
	number, err := deviceNumber(p, visible, limited)
	if err != nil {
		return err
	}
	device := p.Devices[0]
	if err := cudaOrder(); err != nil {
		return fmt.Errorf("use GPU %s: %w", device, err)
	}
	cuda, err := ort.NewCUDAProviderOptions()
	if err == nil {
		defer func() { _ = cuda.Destroy() }()
		err = cuda.Update(map[string]string{"device_id": strconv.Itoa(number)})
	}
	if err == nil {
		err = options.AppendExecutionProviderCUDA(cuda)
	}
	if err != nil {
		return fmt.Errorf("use GPU %s: %w; the library is %s: name one that was built for CUDA in %s, or give the runner nvidia_gpu: 0",
			device, err, found.Path, onnxruntime.Variable)
	}
	return nil
}
