package onnx

import (
	"io"

	"github.com/ekiben/ekiben/runnables"
)

// ReadSymbols is readSymbols.
func ReadSymbols(model io.Reader) (map[string][]string, error) { return readSymbols(model) }

// DeviceNumber is deviceNumber.
func DeviceNumber(p runnables.Place, visible string, limited bool) (int, error) {
	return deviceNumber(p, visible, limited)
}

// Dims are the dimensions of an input or output, with the names of open ones.
type Dims struct {
	Sizes   []int
	Symbols []string
}

// CountsRows is countsRows.
func CountsRows(all ...Dims) string {
	ports := make([]port, len(all))
	for i, d := range all {
		ports[i] = port{name: string(rune('a' + i)), dims: d.Sizes, symbols: d.Symbols}
	}
	return countsRows(ports)
}
