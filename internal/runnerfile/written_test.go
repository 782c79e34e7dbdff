package runnerfile_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/internal/runnerfile"
	"github.com/ekiben/ekiben/runnables"
)

// What is written about the file is made from its structs: names and bounds from
// their tags, meanings from their comments.

// written is a field of a struct, as it is written about.
type written struct {
	reflect.StructField

	of, name, meaning, usual string
}

// writer has what the source says.
type writer struct {
	types map[string]reflect.Type
	// comments are those of fields, by struct and field.
	comments map[string]string
}

func newWriter(t *testing.T) writer {
	t.Helper()
	w := writer{runnerfile.Types(), map[string]string{}}
	for _, name := range []string{"options.go", "schedules.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				for _, field := range s.Fields.List {
					for _, id := range field.Names {
						w.comments[spec.Name.Name+"."+id.Name] = strings.Join(strings.Fields(field.Doc.Text()), " ")
					}
				}
			}
			return true
		})
	}
	return w
}

// fields are those of a struct and of what it embeds, in the order of the source.
func (w writer) fields(of string) []written {
	var all []written
	t := w.types[of]
	for f := range t.Fields() {
		if f.Anonymous {
			all = append(all, w.fields(f.Type.Name())...)
		}
		if name := f.Tag.Get("yaml"); name != "" {
			all = append(all, written{f, of, name, meaning(f.Name, w.comments[of+"."+f.Name]), f.Tag.Get("default")})
		}
	}
	return all
}

// meaning is a comment without the name of the field that it begins with.
func meaning(field, comment string) string {
	rest, ok := strings.CutPrefix(comment, field+" ")
	if !ok || rest == "" {
		return comment
	}
	rest = strings.TrimPrefix(strings.TrimPrefix(rest, "is "), "are ")
	return strings.ToUpper(rest[:1]) + rest[1:]
}

// table is a struct in Markdown.
func (w writer) table(of string) string {
	var b strings.Builder
	b.WriteString("\n| field | default | meaning |\n|---|---|---|\n")
	for _, f := range w.fields(of) {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.name, f.usual, f.meaning)
	}
	return b.String() + "\n"
}

type schema map[string]any

const (
	nameRule  = `^[a-z0-9]([-._a-z0-9]*[a-z0-9])?$`
	reference = `\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}`
)

func ref(name string) schema { return schema{"$ref": "#/$defs/" + name} }

func anyOf(all ...schema) schema { return schema{"anyOf": all} }

// orVariable is what is given as such, as nothing, or by a variable.
func orVariable(s schema) schema { return anyOf(s, schema{"type": "null"}, ref("variable")) }

// schema is the JSON schema of the whole file.
func (w writer) schema(t *testing.T) []byte {
	t.Helper()
	s := w.object("file")
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "ekiben.yaml"
	s["type"] = []string{"object", "null"}
	s["$defs"] = schema{
		"variable":   schema{"type": "string", "pattern": "^" + reference + "$", "description": "An environment variable."},
		"name":       anyOf(schema{"type": "string", "pattern": nameRule, "maxLength": 63}, schema{"type": "string", "pattern": reference}),
		"runnerName": schema{"allOf": []schema{ref("name"), {"not": ref("reservedName")}}},
		"quantity":   anyOf(schema{"type": []string{"number", "null"}, "minimum": 0}, text(amountRule), ref("variable"), devices),
		"cores":      anyOf(schema{"type": []string{"number", "null"}, "minimum": 0}, text(amountRule), ref("variable"), schema{"type": "array", "maxItems": 0}),
		"gpus":       anyOf(schema{"type": []string{"integer", "null"}, "minimum": 0}, text(`^([0-9]+(\.0*)?|[0-9]*000m|0m|system)$`), ref("variable"), devices),
		"resources":  anyOf(resourcesSchema(), schema{"enum": []any{"system", nil}}, ref("variable")),
		"customResources": schema{
			"type": "object", "additionalProperties": ref("quantity"),
			"propertyNames": schema{"pattern": resourceRule, "maxLength": 63, "not": schema{"enum": []string{"cpu", "nvidia_gpu", "nvidia.com/gpu"}}},
		},
		"environment": schema{
			"type": "object", "additionalProperties": ref("variableText"),
			"propertyNames": schema{"pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "not": schema{"const": "CUDA_VISIBLE_DEVICES"}},
		},
		"batching":      anyOf(schema{"enum": []any{"none", "fixed", "adaptive", nil}}, ref("variable"), ref("batchingEntry")),
		"methodConfigs": anyOf(schema{"type": "array", "items": ref("methodEntry")}, schema{"type": "object", "additionalProperties": anyOf(ref("limits"), schema{"type": "null"})}, schema{"type": "null"}),
		"runners":       anyOf(schema{"type": "array", "items": ref("entry")}, ref("runnersByName"), schema{"type": "null"}),
		"runnersByName": w.byName(),
		"schedules":     schema{"type": []string{"array", "null"}, "items": ref("scheduleEntry"), "maxItems": 1000},
		"traffic":       anyOf(ref("trafficEntry"), schema{"type": "null"}),
		"retryEntry":    w.object("retryEntry"),
		"entry":         w.object("entry"),
		"options":       w.object("options"),
		"limits":        w.object("limits"),
		"methodEntry":   w.methodEntry(),
		"batchingEntry": w.object("batchingEntry"),
		"trafficEntry":  w.object("trafficEntry"),
		"scheduleEntry": w.object("scheduleEntry"),
		"variableText":  schema{"type": []string{"string", "number", "boolean"}},
		"reservedName":  anyOf(text(`^service\.`), schema{"enum": runnables.SharedOptions()}),
	}
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(raw, '\n')
}

const (
	amountRule   = `^([0-9]*\.?[0-9]+m?|system)$`
	resourceRule = `^[a-zA-Z0-9]([-._/a-zA-Z0-9]*[a-zA-Z0-9])?$`
)

func text(pattern string) schema { return schema{"type": "string", "pattern": pattern} }

// devices are the ids of some.
var devices = schema{"type": "array", "uniqueItems": true, "items": schema{"type": []string{"integer", "string"}, "minimum": 0}}

func resourcesSchema() schema {
	return schema{
		"type": "object", "additionalProperties": ref("quantity"),
		"properties":    schema{"gpu": false, "nvidia_gpu": false, "cpu": ref("cores"), "nvidia.com/gpu": ref("gpus")},
		"propertyNames": schema{"pattern": resourceRule, "maxLength": 63},
	}
}

// methodEntry is a method with one of its names.
func (w writer) methodEntry() schema {
	s := w.object("methodEntry")
	s["anyOf"] = []schema{{"required": []string{"name"}}, {"required": []string{"method_name"}}}
	return s
}

// byName is the map form of runners.
func (w writer) byName() schema {
	s := w.object("shared")
	s["additionalProperties"] = anyOf(ref("options"), schema{"type": "null"})
	s["propertyNames"] = schema{"pattern": nameRule, "maxLength": 63, "not": text(`^service\.`)}
	return s
}

// object is the schema of a struct.
func (w writer) object(of string) schema {
	properties := schema{}
	var required []string
	for _, f := range w.fields(of) {
		s := property(f)
		s["description"] = f.meaning
		if f.usual != "" {
			s["description"] = fmt.Sprintf("%s Default: %s.", f.meaning, f.usual)
		}
		properties[f.name] = s
		if f.Tag.Get("required") != "" {
			required = append(required, f.name)
		}
	}
	out := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if required != nil {
		out["required"] = required
	}
	return out
}

func property(f written) schema {
	switch f.of + "." + f.name {
	case "entry.name":
		return ref("runnerName")
	case "scheduleEntry.name", "scheduleEntry.runner":
		return ref("name")
	case "options.runnable":
		return orVariable(schema{"type": "string", "minLength": 1})
	case "options.cpu":
		return ref("cores")
	case "options.nvidia_gpu":
		return ref("gpus")
	case "options.custom_resources":
		return orVariable(ref("customResources"))
	case "options.env":
		return orVariable(ref("environment"))
	case "methodEntry.name", "methodEntry.method_name":
		return schema{"type": "string", "minLength": 1}
	case "file.runner_defaults":
		return orVariable(ref("options"))
	}
	if f.name == "timeout" && f.Type.Kind() == reflect.Interface {
		return schema{"type": "null"}
	}
	s := schemaOf(f.Type, f.Tag)
	if f.Tag.Get("required") == "" && s["$ref"] == nil && len(s) > 0 {
		return orVariable(s)
	}
	return maps.Clone(s)
}

// schemaOf is the schema of a value.
func schemaOf(t reflect.Type, tag reflect.StructTag) schema {
	bounds := func(kind string) schema {
		s := schema{"type": kind}
		for _, b := range []struct{ tag, word string }{{"min", "minimum"}, {"max", "maximum"}, {"above", "exclusiveMinimum"}} {
			if x, err := strconv.ParseFloat(tag.Get(b.tag), 64); err == nil {
				s[b.word] = x
			}
		}
		return s
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem(), tag)
	case reflect.Slice:
		return schema{"type": "array", "items": schemaOf(t.Elem(), "")}
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": schemaOf(t.Elem(), "")}
	case reflect.Interface:
		return schema{}
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return bounds("integer")
	case reflect.Float64:
		return bounds("number")
	default:
		return named(t, tag)
	}
}

// named is the schema of text, and of what has a schema of its own.
func named(t reflect.Type, tag reflect.StructTag) schema {
	if t.Name() != "string" {
		return ref(t.Name())
	}
	if enum := tag.Get("enum"); enum != "" {
		return schema{"enum": strings.Split(enum, "|")}
	}
	return schema{"type": "string"}
}
