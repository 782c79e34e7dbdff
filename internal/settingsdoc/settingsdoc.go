// Package settingsdoc writes the documentation of settings from the structs that
// hold them: the names of variables from their tags, the defaults from values,
// the meaning from the comments in the source.
package settingsdoc

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/ekiben/ekiben/internal/variables"
)

// Setting is one variable.
type Setting struct {
	Name, Wants, Default, Doc string
}

// Settings lists the variables of a struct, see [variables.Of]. sources maps the
// path of a package to its directory.
func Settings(defaults any, sources map[string]string) ([]Setting, error) {
	docs := map[reflect.Type]map[string]string{}
	var out []Setting
	for _, v := range variables.Of(defaults) {
		if docs[v.Owner] == nil {
			fields, err := comments(v.Owner, sources)
			if err != nil {
				return nil, err
			}
			docs[v.Owner] = fields
		}
		out = append(out, Setting{
			Name: v.Name, Wants: v.Wants(), Default: text(v.Default), Doc: meaning(v.Field.Name, docs[v.Owner][v.Field.Name]),
		})
	}
	return out, nil
}

// text is a value as it stands in a variable.
func text(value any) string {
	if list, ok := value.([]string); ok {
		return strings.Join(list, ",")
	}
	return fmt.Sprint(value)
}

// meaning is a comment without the name of the field that it begins with, and
// without the brackets of links to code.
func meaning(field, doc string) string {
	doc = strings.NewReplacer("[", "", "]", "").Replace(doc)
	rest, ok := strings.CutPrefix(doc, field+" ")
	if !ok {
		return doc
	}
	rest = strings.TrimPrefix(rest, "is ")
	return strings.ToUpper(rest[:1]) + rest[1:]
}

// comments are the comments of a struct's fields, each on one line.
func comments(t reflect.Type, sources map[string]string) (map[string]string, error) {
	dir, ok := sources[t.PkgPath()]
	if !ok {
		return nil, fmt.Errorf("settingsdoc: no source of %s", t.PkgPath())
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, fmt.Errorf("settingsdoc: %w", err)
	}
	docs := map[string]string{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("settingsdoc: %w", err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || spec.Name.Name != t.Name() {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				addFields(docs, s)
			}
			return false
		})
	}
	return docs, nil
}

func addFields(docs map[string]string, s *ast.StructType) {
	for _, f := range s.Fields.List {
		for _, name := range f.Names {
			docs[name.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
		}
	}
}
