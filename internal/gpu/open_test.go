package gpu_test

import (
	"errors"
	"testing"

	"github.com/ekiben/ekiben/internal/gpu"
)

func TestAMachineWithoutTheDriverIsOneWithoutGPUs(t *testing.T) {
	t.Parallel()
	r, err := gpu.Open()
	if err == nil {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		t.Skip("the driver is here")
	}
	if !errors.Is(err, gpu.ErrNoLibrary) && !errors.Is(err, gpu.ErrNotBuilt) {
		t.Error(err)
	}
}
