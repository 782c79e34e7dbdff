// Package settingsdoc writes the documentation of settings from the structs that
// hold them: the names of variables from their tags, the defaults from values,
// the meaning from the comments in the source.
package settingsdoc

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
)

// Setting is one variable.
type Setting struct {
	Name, Type, Default, Doc string
}

// Settings lists the variables of a struct with `env` tags, in order, and those
// of the structs in it whose fields have an `envPrefix` tag or an env tag of
// their own. sources maps the path of a package to its directory.
func Settings(defaults any, sources map[string]string) ([]Setting, error) {
	return walk(reflect.ValueOf(defaults), "", sources)
}

func walk(v reflect.Value, prefix string, sources map[string]string) ([]Setting, error) {
	docs, err := comments(v.Type(), sources)
	if err != nil {
		return nil, err
	}
	var out []Setting
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, tagged := f.Tag.Lookup("env")
		switch {
		case tagged:
			out = append(out, Setting{
				Name: prefix + name, Type: typeName(f.Type), Default: fmt.Sprint(v.Field(i).Interface()), Doc: meaning(f.Name, docs[f.Name]),
			})
		case f.Type.Kind() == reflect.Struct:
			more, err := walk(v.Field(i), prefix+f.Tag.Get("envPrefix"), sources)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
	}
	return out, nil
}

// meaning is a comment without the name of the field that it begins with.
func meaning(field, doc string) string {
	rest, ok := strings.CutPrefix(doc, field+" ")
	if !ok {
		return doc
	}
	rest = strings.TrimPrefix(rest, "is ")
	return strings.ToUpper(rest[:1]) + rest[1:]
}

// typeName is how people write values of the type.
func typeName(t reflect.Type) string {
	switch t.String() {
	case "time.Duration":
		return "duration, such as 1m30s"
	case "bool":
		return "true or false"
	case "slog.Level":
		return "level"
	}
	switch t.Kind() {
	case reflect.Int, reflect.Int64:
		return "number"
	default:
		return "text"
	}
}

// comments are the comments of a struct's fields, each on one line.
func comments(t reflect.Type, sources map[string]string) (map[string]string, error) {
	dir, ok := sources[t.PkgPath()]
	if !ok {
		return nil, fmt.Errorf("settingsdoc: no source of %s", t.PkgPath())
	}
	packages, err := parser.ParseDir(token.NewFileSet(), dir, nil, parser.ParseComments) //nolint:staticcheck // one package, no build tags
	if err != nil {
		return nil, fmt.Errorf("settingsdoc: %w", err)
	}
	docs := map[string]string{}
	for _, p := range packages {
		ast.Inspect(p, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || spec.Name.Name != t.Name() {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range s.Fields.List {
					for _, name := range f.Names {
						docs[name.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
					}
				}
			}
			return false
		})
	}
	return docs, nil
}
