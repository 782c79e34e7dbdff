package runnables

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Init holds the parameters that a runner passes to the constructor of its
// runnable, `init:` in ekiben.yaml.
type Init map[string]any

// Decode reads the parameters into the struct that into points to, by its json
// tags. A parameter that the struct does not have is an error; fields that are
// not given keep their value.
func (p Init) Decode(into any) error {
	if len(p) == 0 {
		return nil
	}
	raw, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("init parameters: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("init parameters: %w", err)
	}
	return nil
}
