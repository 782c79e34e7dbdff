package loadtest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Scenario is a load as a file describes it.
type Scenario struct {
	// Name is the title of the report; the name of the file if it is not given.
	Name string `yaml:"name"`

	// Targets are base URLs. Those of the command line replace them.
	Targets []string `yaml:"targets"`

	Pacing Pacing `yaml:"pacing"`

	// Duration is the length of the window that is reported, and Warmup what
	// goes before it.
	Duration time.Duration `yaml:"duration"`
	Warmup   time.Duration `yaml:"warmup"`

	// Connections is the number of clients of a closed loop, default 1, or the
	// most requests in flight of an open one, default 10,000.
	Connections int `yaml:"connections"`

	// Timeout is how long an answer is waited for, default 30 s. A deadline
	// that the server shall know of is a header of the request.
	Timeout time.Duration `yaml:"timeout"`

	// Client is "lean", the default, or "standard" for net/http, which https
	// needs.
	Client string `yaml:"client"`

	// Seed selects the random choices: arrivals, kinds and generated bodies.
	Seed uint64 `yaml:"seed"`

	Requests []RequestSpec `yaml:"requests"`
	Expect   Expect        `yaml:"expect"`

	dir string // what the paths of body files are relative to
}

// Pacing selects the loop and the arrival process.
type Pacing struct {
	// Process is "constant", "poisson", "burst" or "closed".
	Process string `yaml:"process"`

	// Rate is in requests per second, for constant and poisson.
	Rate float64 `yaml:"rate"`

	// Size and Every are those of bursts.
	Size  int           `yaml:"size"`
	Every time.Duration `yaml:"every"`
}

// RequestSpec is one kind of request.
type RequestSpec struct {
	// Name tells kinds apart in the report; its path if it is not given.
	Name string `yaml:"name"`

	// Weight is the share of the mix, default 1.
	Weight int `yaml:"weight"`

	// Method defaults to POST with a body and GET without one.
	Method  string            `yaml:"method"`
	Path    string            `yaml:"path"`
	Headers map[string]string `yaml:"headers"`
	Body    Body              `yaml:"body"`
}

// Body says where the bytes come from: at most one of the three.
type Body struct {
	// Text is the body itself.
	Text string `yaml:"text"`

	// File is a path, relative to the scenario.
	File string `yaml:"file"`

	// Bytes is how many random bytes are made.
	Bytes int `yaml:"bytes"`
}

// LoadScenario reads a scenario from a file. Faults name the file and the line.
func LoadScenario(path string) (Scenario, error) {
	source, err := os.ReadFile(path)
	if err != nil {
		return Scenario{}, fmt.Errorf("scenario: %w", err)
	}
	s, err := ParseScenario(source)
	if err != nil {
		return Scenario{}, fmt.Errorf("scenario %s: %w", path, err)
	}
	if s.Name == "" {
		s.Name = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	}
	s.dir = filepath.Dir(path)
	return s, nil
}

// ParseScenario reads a scenario, fills in the defaults and reports every fault
// with its line. A field that a scenario does not have is a fault.
func ParseScenario(source []byte) (Scenario, error) {
	var s Scenario
	file, err := parser.ParseBytes(source, 0)
	if err != nil {
		return Scenario{}, errors.New(yaml.FormatError(err, false, true))
	}
	if err := yaml.NewDecoder(bytes.NewReader(source), yaml.Strict()).Decode(&s); err != nil {
		return Scenario{}, errors.New(decodeFault(err))
	}
	s.setDefaults()
	var faults []error
	s.validate(func(path, format string, args ...any) {
		faults = append(faults, fmt.Errorf("line %d: %s", lineOf(file, path), fmt.Sprintf(format, args...)))
	})
	if err := errors.Join(faults...); err != nil {
		return Scenario{}, err
	}
	return s, nil
}

// decodeFault words an error of the YAML decoder with its line in front.
func decodeFault(err error) string {
	var located yaml.Error
	if errors.As(err, &located) && located.GetToken() != nil {
		return fmt.Sprintf("line %d: %s", located.GetToken().Position.Line, located.GetMessage())
	}
	return err.Error()
}

// lineOf finds the line of a YAML path, or that of the nearest thing around it
// that the file has.
func lineOf(file *ast.File, path string) int {
	for strings.ContainsAny(path, ".[") {
		if p, err := yaml.PathString(path); err == nil {
			if node, err := p.FilterFile(file); err == nil && node != nil {
				return node.GetToken().Position.Line
			}
		}
		path = path[:strings.LastIndexAny(path, ".[")]
	}
	return 1
}

func (s *Scenario) setDefaults() {
	if s.Connections == 0 {
		s.Connections = 10_000
		if s.Pacing.Process == "closed" {
			s.Connections = 1
		}
	}
	if s.Timeout == 0 {
		s.Timeout = 30 * time.Second
	}
	if s.Client == "" {
		s.Client = "lean"
	}
	for i := range s.Requests {
		r := &s.Requests[i]
		if r.Weight == 0 {
			r.Weight = 1
		}
		if r.Name == "" {
			r.Name = r.Path
		}
		if r.Method == "" {
			r.Method = http.MethodPost
			if r.Body == (Body{}) {
				r.Method = http.MethodGet
			}
		}
	}
}

// faultFunc takes down a fault and the YAML path of where it is.
type faultFunc func(path, format string, args ...any)

func (s *Scenario) validate(fault faultFunc) {
	s.Pacing.validate(fault)
	if s.Duration <= 0 {
		fault("$.duration", "duration is %v, want more than 0", s.Duration)
	}
	if s.Warmup < 0 {
		fault("$.warmup", "warmup is %v, want at least 0", s.Warmup)
	}
	if s.Timeout < 0 {
		fault("$.timeout", "timeout is %v, want more than 0", s.Timeout)
	}
	if s.Connections < 1 {
		fault("$.connections", "connections is %d, want at least 1", s.Connections)
	}
	if s.Client != "lean" && s.Client != "standard" {
		fault("$.client", "client is %q, want lean or standard", s.Client)
	}
	for i, target := range s.Targets {
		if _, err := ParseTarget(target); err != nil {
			fault(fmt.Sprintf("$.targets[%d]", i), "%v", err)
		}
	}
	if len(s.Requests) == 0 {
		fault("$.requests", "requests is empty, want at least one")
	}
	names := map[string]bool{}
	for i, r := range s.Requests {
		at := fmt.Sprintf("$.requests[%d]", i)
		r.validate(at, fault)
		if names[r.Name] {
			fault(at+".name", "request %q is there twice: give each a name", r.Name)
		}
		names[r.Name] = true
	}
}

func (p Pacing) validate(fault faultFunc) {
	switch p.Process {
	case "constant", "poisson":
		if !(p.Rate > 0 && p.Rate <= 1e6) {
			fault("$.pacing.rate", "rate is %g a second, want more than 0 and at most 1,000,000", p.Rate)
		}
		if p.Size != 0 || p.Every != 0 {
			fault("$.pacing", "size and every belong to bursts, not to %s", p.Process)
		}
	case "burst":
		if p.Size < 1 {
			fault("$.pacing.size", "size of a burst is %d, want at least 1", p.Size)
		}
		if p.Every <= 0 {
			fault("$.pacing.every", "every is %v, want more than 0", p.Every)
		}
		if p.Rate != 0 {
			fault("$.pacing.rate", "a burst has no rate: size and every say it")
		}
	case "closed":
		if p != (Pacing{Process: "closed"}) {
			fault("$.pacing", "a closed loop has no rate, size or every: connections says it")
		}
	default:
		fault("$.pacing.process", "process is %q, want constant, poisson, burst or closed", p.Process)
	}
}

func (r RequestSpec) validate(at string, fault faultFunc) {
	if !strings.HasPrefix(r.Path, "/") {
		fault(at+".path", "path is %q, want one that begins with /", r.Path)
	}
	if r.Weight < 0 {
		fault(at+".weight", "weight is %d, want at least 1", r.Weight)
	}
	if strings.ContainsAny(r.Method, " \r\n") {
		fault(at+".method", "method is %q", r.Method)
	}
	for name := range r.Headers {
		switch http.CanonicalHeaderKey(name) {
		case "Host", "Content-Length", "Transfer-Encoding", "Connection":
			fault(at+".headers", "header %s is the client's to set", name)
		}
	}
	given := 0
	for _, is := range []bool{r.Body.Text != "", r.Body.File != "", r.Body.Bytes != 0} {
		if is {
			given++
		}
	}
	if given > 1 {
		fault(at+".body", "body has %d sources, want one of text, file and bytes", given)
	}
	if r.Body.Bytes < 0 || r.Body.Bytes > 1<<30 {
		fault(at+".body.bytes", "bytes is %d, want 0 to 1 GiB", r.Body.Bytes)
	}
}

// Plan makes the scenario ready to run; targets replace its own unless there
// are none. Body files are read here.
func (s Scenario) Plan(targets ...string) (Plan, error) {
	if len(targets) == 0 {
		targets = s.Targets
	}
	if len(targets) == 0 {
		return Plan{}, errors.New("no target: give one in the scenario or by -target")
	}
	p := Plan{
		Targets: targets, Pacer: s.Pacing.pacer(s.Seed), Connections: s.Connections,
		Warmup: s.Warmup, Duration: s.Duration, Seed: s.Seed,
	}
	for _, r := range s.Requests {
		body, err := s.body(r.Body)
		if err != nil {
			return Plan{}, fmt.Errorf("request %q: %w", r.Name, err)
		}
		header := http.Header{}
		for name, value := range r.Headers {
			header.Set(name, value)
		}
		p.Kinds = append(p.Kinds, Kind{
			Name: r.Name, Weight: r.Weight, Method: r.Method, Path: r.Path, Header: header, Body: body,
		})
	}
	return p, nil
}

func (p Pacing) pacer(seed uint64) Pacer {
	switch p.Process {
	case "constant":
		return Constant{Rate: p.Rate}
	case "poisson":
		return Poisson{Rate: p.Rate, Seed: seed}
	case "burst":
		return Burst{Size: p.Size, Every: p.Every}
	}
	return nil
}

func (s Scenario) body(b Body) ([]byte, error) {
	switch {
	case b.File != "":
		body, err := os.ReadFile(filepath.Join(s.dir, filepath.FromSlash(b.File)))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("body file: %w (paths are relative to the scenario)", err)
		}
		return body, err
	case b.Bytes > 0:
		return RandomBytes(b.Bytes, s.Seed), nil
	}
	return []byte(b.Text), nil
}

// RandomBytes makes n bytes that do not compress, the same for the same seed.
func RandomBytes(n int, seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// NewClient makes the client that the scenario asks for.
func (s Scenario) NewClient() Client {
	if s.Client == "standard" {
		return NewStandardClient(s.Connections, s.Timeout)
	}
	return &LeanClient{Timeout: s.Timeout}
}
