package runnables

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
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
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return fmt.Errorf("init parameters: there is no %s%s", name, parametersOf(into))
		}
		return fmt.Errorf("init parameters: %w", err)
	}
	return nil
}

// parametersOf lists the fields of a struct by their json tags, as the end of a
// sentence.
func parametersOf(into any) string {
	t := reflect.TypeOf(into).Elem()
	if t.Kind() != reflect.Struct {
		return ""
	}
	var names []string
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); f.IsExported() && name != "-" {
			names = append(names, cmp.Or(name, f.Name))
		}
	}
	if len(names) == 0 {
		return "; it takes none"
	}
	return "; there are: " + strings.Join(names, ", ")
}
