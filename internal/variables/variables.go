// Package variables knows which environment variables a struct of settings is
// read from, by its `env` and `envPrefix` tags.
package variables

import "reflect"

// Variable is one environment variable.
type Variable struct {
	// Name of the variable.
	Name string
	// Field is where it goes, in Owner.
	Field reflect.StructField
	Owner reflect.Type
	// Default is the field's value.
	Default any
}

// Of lists the variables of a struct with its defaults, in order.
func Of(defaults any) []Variable { return walk(reflect.ValueOf(defaults), "") }

func walk(v reflect.Value, prefix string) []Variable {
	var out []Variable
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if name, ok := f.Tag.Lookup("env"); ok {
			out = append(out, Variable{prefix + name, f, v.Type(), v.Field(i).Interface()})
		} else if f.Type.Kind() == reflect.Struct {
			out = append(out, walk(v.Field(i), prefix+f.Tag.Get("envPrefix"))...)
		}
	}
	return out
}

// Wants says what a value looks like.
func (v Variable) Wants() string {
	switch v.Field.Type.String() {
	case "time.Duration":
		return "a duration, such as 1m30s"
	case "bool":
		return "true or false"
	case "slog.Level":
		return "debug, info, warn or error"
	case "[]string":
		return "texts, separated by commas"
	}
	switch v.Field.Type.Kind() {
	case reflect.Int, reflect.Int64, reflect.Float64:
		return "a number"
	default:
		return "text"
	}
}
