package onnx

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ekiben/ekiben/runnables"
)

// deviceNumber is the number that CUDA has for the first device of a place in a
// process that sees only those of CUDA_VISIBLE_DEVICES, or all where there is no such
// variable.
func deviceNumber(p runnables.Place, visible string, limited bool) (int, error) {
	device, index := p.Devices[0], p.Devices[0]
	if len(p.Indices) > 0 && p.Indices[0] >= 0 {
		index = strconv.Itoa(p.Indices[0])
	}
	if limited {
		i := slices.IndexFunc(strings.Split(visible, ","), func(v string) bool {
			v = strings.TrimSpace(v)
			return v == index || names(v, device)
		})
		if i < 0 {
			return 0, fmt.Errorf("GPU %s is not among those that this process may use: CUDA_VISIBLE_DEVICES is %q", device, visible)
		}
		return i, nil
	}
	n, err := strconv.Atoi(index)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("GPU %q is no index from 0: name it by its index, set CUDA_VISIBLE_DEVICES, or use isolation: process", device)
	}
	return n, nil
}

// names reports whether what is in CUDA_VISIBLE_DEVICES is a device: its index, its
// UUID, or the beginning of that.
func names(visible, device string) bool {
	uuid := strings.Contains(visible, "-") && len(visible) > len("GPU-")
	return visible == device || uuid && len(device) >= len(visible) && strings.EqualFold(device[:len(visible)], visible)
}
