package ekiben_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ekiben/ekiben"
	"github.com/ekiben/ekiben/internal/settingsdoc"
)

var update = flag.Bool("update", false, "write generated documentation")

const configurationPage = "docs/configuration.md"

// docs/configuration.md has a part that is written from the code.
func TestConfigurationPageIsWhatTheCodeSays(t *testing.T) {
	t.Parallel()

	settings, err := settingsdoc.Settings(ekiben.DefaultSettings(), map[string]string{
		module: ".", module + "/gateway": "gateway", module + "/worker": "worker", module + "/queue/tasks": "queue/tasks",
		module + "/queue/tasks/bulk": "queue/tasks/bulk",
	})
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("| variable | value | default | meaning |\n|---|---|---|---|\n")
	for _, s := range settings {
		if s.Doc == "" || !strings.HasPrefix(s.Name, "EKIBEN_") {
			t.Errorf("setting %+v has no comment, or a name of another kind", s)
		}
		if s.Name == "EKIBEN_WORKER_ID" {
			s.Default = "" // made anew by every process
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", s.Name, s.Wants, code(s.Default), s.Doc)
	}
	const begin, end = "<!-- generated: settings -->\n", "<!-- end -->\n"
	page, err := os.ReadFile(configurationPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no generated part", configurationPage)
	}
	want := before + begin + "\n" + table.String() + "\n" + end + after
	if *update {
		if err := os.WriteFile(configurationPage, []byte(want), 0o644); err != nil { //nolint:gosec // documentation
			t.Fatal(err)
		}
	} else if want != string(page) {
		t.Errorf("%s is out of date; run: go test . -run Configuration -update", configurationPage)
	}
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}
