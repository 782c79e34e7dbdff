package ekiben_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The house rules that a compiler cannot check: who may import whom. Imports
// point one way: cmd, ekiben → gateway | worker → queue, batching, runnables →
// tensor; never sideways, never up.

const module = "github.com/ekiben/ekiben"

// mayImport lists, for each package, what it may import of this module. A name
// that ends in /... stands for all below it. Commands and examples may import
// anything.
var mayImport = map[string][]string{
	"":                        {"gateway", "worker", "worker/placement", "queue", "queue/embedded", "queue/tasks", "queue/tasks/bulk", "queue/tasks/schedule", "internal/webhook", "runnables", "runnables/...", "internal/gpu", "internal/machine", "internal/onnxruntime", "internal/runnerfile", "internal/variables"},
	"tensor":                  {},
	"batching":                {},
	"batching/simulate":       {"batching"},
	"runnables":               {"tensor"},
	"runnables/echo":          {"runnables", "tensor"},
	"runnables/sleep":         {"runnables", "tensor"},
	"runnables/sentiment":     {"runnables", "tensor"},
	"runnables/process":       {"runnables", "tensor"},
	"runnables/python":        {"runnables", "runnables/process"},
	"runnables/onnx":          {"runnables", "tensor", "internal/onnxruntime"},
	"runnables/runnablestest": {"runnables", "tensor"},
	"queue":                   {"tensor"},
	"queue/embedded":          {},
	"queue/queuetest":         {"queue", "tensor", "internal/..."},
	"queue/tasks":             {"queue", "internal/webhook"},
	"worker":                  {"queue", "batching", "runnables", "tensor"},
	"worker/placement":        {"runnables"},
	"queue/tasks/bulk":        {"queue"},
	"queue/tasks/schedule":    {"queue", "runnables"},
	"gateway":                 {"queue", "queue/tasks", "queue/tasks/schedule", "runnables", "tensor", "gateway/..."},
	"gateway/dashboard":       {"queue"},
	"loadtest":                {},
	"loadtest/bench":          {"loadtest", "runnables", "runnables/sentiment", "tensor"},
	"internal/gpu":            {},
	"internal/gputest":        {"internal/gpu"},
	"internal/machine":        {},
	"internal/onnxruntime":    {},
	"internal/onnxtest":       {"internal/onnxruntime"},
	"internal/processes":      {},
	"internal/pythontest":     {},
	"internal/redistest":      {},
	"internal/tcpproxy":       {},
	"internal/runnerfile":     {"queue", "queue/tasks/schedule", "runnables"},
	"internal/settingsdoc":    {"internal/variables"},
	"internal/variables":      {},
	"internal/webhook":        {},
	"test/chaos":              {},
	"test/chaos/history":      {},
	"test/chaos/order":        {},
	"test/e2e":                {},
}

// onlyIn lists, for libraries that have one home, where that is. A library
// counts with all packages below it.
var onlyIn = map[string][]string{
	"github.com/redis/go-redis/v9": {"queue", "queue/queuetest", "queue/tasks"},
	"github.com/robfig/cron/v3":    {"queue/tasks/schedule"},
	"gocloud.dev":                  {"queue/tasks/bulk"},
	"github.com/hibiken/asynq":     {"queue/tasks"},
	"code.dny.dev/ssrf":            {"internal/webhook"},
	"github.com/standard-webhooks/standard-webhooks/libraries": {"internal/webhook"},
	"github.com/alicebob/miniredis/v2":                         {"queue/embedded"},
	"github.com/labstack/echo/v4":                              {"gateway", "loadtest/bench"},
	"github.com/NVIDIA/go-nvml":                                {"internal/gpu"},
	"github.com/yalue/onnxruntime_go":                          {"runnables/onnx"},
	"github.com/caarlos0/env/v11":                              {""},
	"github.com/spf13/cobra":                                   {""},
}

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()

	for _, p := range packages(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
		if p.Name == "main" {
			continue
		}
		allowed, listed := mayImport[p.name()]
		if !listed {
			t.Errorf("%s is not in mayImport", p.ImportPath)
			continue
		}
		for _, imp := range p.Imports {
			local, isLocal := strings.CutPrefix(imp, module+"/")
			if isLocal && !matches(allowed, local) {
				t.Errorf("%s must not import %s", p.ImportPath, local)
			}
			for library, homes := range onlyIn {
				if (imp == library || strings.HasPrefix(imp, library+"/")) && !slices.Contains(homes, p.name()) {
					t.Errorf("%s must not import %s, whose home is %v", p.ImportPath, imp, homes)
				}
			}
		}
	}
}

// batching and placement decide and do nothing else.
func TestDecisionsArePure(t *testing.T) {
	t.Parallel()

	for _, p := range packages(t) {
		if !slices.Contains([]string{"batching", "batching/simulate", "worker/placement"}, p.name()) {
			continue
		}
		for _, imp := range p.Imports {
			if slices.Contains([]string{"os", "net", "net/http", "sync", "sync/atomic", "context", "log/slog", "io", "math/rand"}, imp) {
				t.Errorf("%s must not import %s: it has no clock, goroutine or I/O", p.ImportPath, imp)
			}
		}
	}
}

type pkg struct {
	ImportPath, Name, Doc string
	Imports               []string
}

func (p pkg) name() string { return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/") }

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Name,Doc,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var ps []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return ps
		} else if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
}

func matches(allowed []string, name string) bool {
	return slices.ContainsFunc(allowed, func(a string) bool {
		below, isTree := strings.CutSuffix(a, "...")
		return a == name || (isTree && strings.HasPrefix(name, below))
	})
}
