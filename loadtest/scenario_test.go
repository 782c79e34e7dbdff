package loadtest_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/loadtest"
)

const fullScenario = `# all fields
name: everything
targets: [http://127.0.0.1:1, http://127.0.0.1:2]
pacing:
  process: poisson
  rate: 250
duration: 10s
warmup: 500ms
connections: 64
timeout: 5s
client: standard
seed: 9
requests:
  - name: one
    weight: 3
    method: PUT
    path: /v1/jobs/a?runner=r
    headers: {Content-Type: text/plain, Prefer: respond-async}
    body: {text: hello}
  - path: /livez
expect: {rejections: 0, p99_ms: 200}
`

func TestAScenarioBecomesAPlan(t *testing.T) {
	t.Parallel()
	s, err := loadtest.ParseScenario([]byte(fullScenario))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := s.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if plan.Pacer != (loadtest.Poisson{Rate: 250, Seed: 9}) || plan.Duration != 10*time.Second || plan.Warmup != 500*time.Millisecond ||
		plan.Connections != 64 || len(plan.Targets) != 2 || s.Timeout != 5*time.Second || s.Name != "everything" {
		t.Errorf("scenario %+v makes plan %+v", s, plan)
	}
	one, other := plan.Kinds[0], plan.Kinds[1]
	if one.Method != http.MethodPut || one.Weight != 3 || string(one.Body) != "hello" || one.Header.Get("prefer") != "respond-async" {
		t.Errorf("first kind %+v", one)
	}
	if other.Method != http.MethodGet || other.Weight != 1 || other.Name != "/livez" {
		t.Errorf("second kind %+v lacks its defaults", other)
	}
	if *s.Expect.P99 != 200 || *s.Expect.Rejections != 0 || s.Expect.Errors != nil {
		t.Errorf("expectations %+v", s.Expect)
	}
	if plan, _ = s.Plan("http://127.0.0.1:9"); !slices.Equal(plan.Targets, []string{"http://127.0.0.1:9"}) {
		t.Errorf("targets %v, want those of the caller", plan.Targets)
	}
	if _, ok := s.NewClient().(*loadtest.StandardClient); !ok {
		t.Error("client: standard makes another")
	}
}

func TestBodiesComeFromTextFilesAndGeneration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "body.json"), `{"a":1}`)
	path := filepath.Join(dir, "s.yaml")
	write(t, path, `
pacing: {process: closed}
duration: 1s
seed: 3
requests:
  - {name: text, path: /, body: {text: abc}}
  - {name: file, path: /, body: {file: body.json}}
  - {name: bytes, path: /, body: {bytes: 2048}}
`)
	s, err := loadtest.LoadScenario(path)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := s.Plan("http://a.test")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"abc", `{"a":1}`, string(loadtest.RandomBytes(2048, 3))}
	for i, k := range plan.Kinds {
		if string(k.Body) != want[i] || k.Method != http.MethodPost {
			t.Errorf("%s: %s with %d bytes, want POST with %d others", k.Name, k.Method, len(k.Body), len(want[i]))
		}
	}
	if s.Name != "s" || plan.Connections != 1 {
		t.Errorf("name %q, connections %d: want those of the file's name and a closed loop", s.Name, plan.Connections)
	}

	write(t, path, "pacing: {process: closed}\nduration: 1s\nrequests: [{path: /, body: {file: none.json}}]\n")
	if s, err = loadtest.LoadScenario(path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Plan("http://a.test"); err == nil || !strings.Contains(err.Error(), "none.json") {
		t.Errorf("a body file that is not there: %v", err)
	}
}

func TestFaultsOfAScenarioNameTheirLine(t *testing.T) {
	t.Parallel()
	const head = "pacing: {process: constant, rate: 1}\nduration: 1s\n" // lines 1 and 2
	const request = "requests:\n  - path: /\n"                          // lines 3 and 4 behind it
	for _, tc := range []struct {
		name, source string
		want         []string
	}{
		{"an unknown field", head + "reqests: []\n", []string{"line 3", "reqests"}},
		{"an unknown field deep inside", head + request + "    boddy: {}\n", []string{"line 5", "boddy"}},
		{"a wrong type", "pacing: {process: constant, rate: fast}\nduration: 1s\n" + request, []string{"line 1"}},
		{"a duration without unit", "pacing: {process: constant, rate: 1}\nduration: 1x\n" + request, []string{"1x"}},
		{"no YAML", head + "requests: [\n", []string{"3"}},
		{"a process that is none", "pacing:\n  process: random\nduration: 1s\n" + request, []string{"line 2", "random"}},
		{"no rate", "pacing:\n  process: poisson\nduration: 1s\n" + request, []string{"line 2", "rate"}},
		{"a rate of nothing", "duration: 1s\npacing:\n  process: poisson\n  rate: -5\n" + request, []string{"line 4", "-5"}},
		{"a rate that is not a number", "duration: 1s\npacing:\n  process: poisson\n  rate: .nan\n" + request, []string{"line 4", "NaN"}},
		{"a burst of nothing", "duration: 1s\npacing:\n  process: burst\n  size: 0\n  every: 1s\n" + request, []string{"line 4", "size"}},
		{"a burst without period", "duration: 1s\npacing:\n  process: burst\n  size: 1\n" + request, []string{"every"}},
		{"a burst with a rate", "duration: 1s\npacing:\n  process: burst\n  size: 1\n  every: 1s\n  rate: 3\n" + request, []string{"line 6", "rate"}},
		{"a closed loop with a rate", "duration: 1s\npacing:\n  process: closed\n  rate: 3\n" + request, []string{"closed loop"}},
		{"a constant rate with a size", "duration: 1s\npacing:\n  process: constant\n  rate: 3\n  size: 3\n" + request, []string{"size"}},
		{"no duration", "pacing: {process: closed}\n" + request, []string{"duration"}},
		{"a negative timeout", head + "timeout: -1s\n" + request, []string{"line 3", "timeout"}},
		{"a negative warm-up", head + "warmup: -1s\n" + request, []string{"line 3", "warmup"}},
		{"negative connections", head + "connections: -1\n" + request, []string{"line 3", "connections"}},
		{"another client", head + "client: curl\n" + request, []string{"line 3", "curl"}},
		{"a bad target", head + "targets: [http://a.test,\n  nonsense]\n" + request, []string{"line 4", "nonsense"}},
		{"no requests", head, []string{"requests"}},
		{"a relative path", head + "requests:\n  - name: a\n    path: x\n", []string{"line 5", `"x"`}},
		{"a negative weight", head + "requests:\n  - path: /\n    weight: -2\n", []string{"line 5", "-2"}},
		{"a method with a space", head + "requests:\n  - path: /\n    method: GET /\n", []string{"line 5", "method"}},
		{"a header of the client", head + "requests:\n  - path: /\n    headers: {host: a}\n", []string{"line 5", "host"}},
		{"two bodies", head + "requests:\n  - path: /\n    body: {text: a, bytes: 1}\n", []string{"line 5", "2 sources"}},
		{"a negative body", head + "requests:\n  - path: /\n    body:\n      bytes: -1\n", []string{"line 6", "-1"}},
		{"the same name twice", head + "requests:\n  - path: /\n  - path: /\n", []string{"twice"}},
		{"every fault at once", "pacing: {process: closed}\nduration: -1s\ntimeout: -1s\nrequests:\n  - path: x\n", []string{"line 2", "line 3", "line 5"}},
	} {
		_, err := loadtest.ParseScenario([]byte(tc.source))
		if err == nil {
			t.Errorf("%s was taken", tc.name)
			continue
		}
		for _, want := range tc.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", tc.name, err, want)
			}
		}
	}
}

func TestTheScenariosOfTheRepositoryAreGood(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("scenarios/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d scenarios, %v", len(files), err)
	}
	for _, file := range files {
		s, err := loadtest.LoadScenario(file)
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := s.Plan("http://127.0.0.1:3000"); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
