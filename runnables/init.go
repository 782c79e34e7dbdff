package runnables

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/json"
	"errors"
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
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
			return fmt.Errorf("init parameters: %s is %s, want %s", wrong.Field, valueInJSON(wrong.Value), inJSON(wrong.Type))
		}
		return fmt.Errorf("init parameters: %w", err)
	}
	return nil
}

// valueInJSON is what a parameter is, of what the decoder says that it is.
func valueInJSON(value string) string {
	kind, _, _ := strings.Cut(value, " ") // behind it is the number itself
	switch kind {
	case "string":
		return "text"
	case "bool":
		return "true or false"
	case "array":
		return "a list"
	case "object":
		return "a map"
	default:
		return "a " + value
	}
}

// inJSON is what a parameter of a Go type is to be.
func inJSON(t reflect.Type) string {
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return "text"
	}
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "a map"
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return "a whole number"
	}
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
