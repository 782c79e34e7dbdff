//go:build cgo

package onnx

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/ekiben/ekiben/internal/onnxruntime"
)

// errVersion is wrapped when there is a library that the binding cannot use.
var errVersion = errors.New("the shared library of ONNX Runtime is too old")

// library is the one of this process. The binding has it as global state too, so
// nothing is gained by having it elsewhere.
var library struct { //nolint:gochecknoglobals // the binding has one environment a process
	sync.Mutex
	found   onnxruntime.Found
	version string
}

// load loads the shared library, once a process: later calls return the one that
// is loaded, wherever another may be by then. A failed one is tried again.
func load() (found onnxruntime.Found, version string, err error) {
	library.Lock()
	defer library.Unlock()
	if library.found.Path != "" {
		return library.found, library.version, nil
	}
	release := onnxruntime.Pinned()
	if found, err = onnxruntime.Find(release); err != nil {
		return found, "", err
	}
	if err := found.Whole(release); err != nil {
		return found, "", err
	}
	ort.SetSharedLibraryPath(found.Path)
	// What goes wrong is in the errors; the library would write it to standard error
	// as well, between the lines of the log.
	if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
		if strings.Contains(err.Error(), "setting ORT API base") {
			return found, "", fmt.Errorf("%w: %s (%s) does not have what the binding needs, want version %s or later: install it with: %s",
				errVersion, found.Path, found.Source, release.Version, onnxruntime.Command)
		}
		return found, "", fmt.Errorf("load %s (%s): %w; another one is installed with: %s", found.Path, found.Source, err, onnxruntime.Command)
	}
	library.found, library.version = found, ort.GetVersion()
	return library.found, library.version, nil
}

// cudaOrder makes CUDA number devices as NVML and nvidia-smi do, which is how
// places name them. It has to be said before CUDA is loaded.
func cudaOrder() error {
	const order = "CUDA_DEVICE_ORDER"
	if os.Getenv(order) != "" {
		return nil
	}
	return os.Setenv(order, "PCI_BUS_ID")
}
