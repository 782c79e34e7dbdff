package batching_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/batching"
)

var update = flag.Bool("update", false, "write what the scenarios answer into testdata")

// TestScenarios plays the stories in testdata/*.txt. A story is made of commands, each followed by ---- and by what the
// former must answer, up to an empty line; # begins a comment. One clock and one counter of arrivals run through a story.
//
//	former POLICY rows=N wait=D                       a new former
//	learn per-row=D fixed=D                           teach it the cost: batches of several sizes, each as expected
//	executed rows=N took=D [times=N]                  it executed batches; answers the cost
//	arrive rate=N for=D [calls-of=N]                  so many rows a second arrive meanwhile; it looks once in 10ms
//	ask                                               an instance is free
//	facts [after=D] [rows=N] [calls=N] …              the queue answered facts, after=D later
//	took rows=N [calls=N] [waited=N] [more] enough=N age=D …   a batch was cut
//
// facts and took take oldest=D, newest=D, left=D, came=N (rows that arrived since), clock=D and counter=N (both start
// anew). calls is rows if it is not given. Durations are written as Go writes them.
func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			playFile(t, file)
		})
	}
}

func playFile(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	s := &story{t: t}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		out.WriteString(line + "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if i+1 == len(lines) || lines[i+1] != "----" {
			t.Fatalf("%s:%d: %q is not followed by ----", file, i+1, line)
		}
		var want []string
		at := i + 1
		for i += 2; i < len(lines) && lines[i] != ""; i++ {
			want = append(want, lines[i])
		}
		i--
		got := s.play(line)
		out.WriteString("----\n" + got + "\n")
		if !*update && got != strings.Join(want, "\n") {
			t.Errorf("%s:%d: %s\ngot  %s\nwant %s", file, at, line, got, strings.Join(want, "\n     "))
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// story is the state of one scenario file.
type story struct {
	t       *testing.T
	former  *batching.Former
	limits  batching.Limits
	clock   time.Duration
	counter int64
}

func (s *story) play(line string) string {
	s.t.Helper()
	words := strings.Fields(line)
	a := args{t: s.t, line: line, left: map[string]string{}}
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		a.left[key] = value
	}
	answer := s.command(words[0], a)
	for key := range a.left {
		s.t.Fatalf("%q: nobody reads %s", line, key)
	}
	return answer
}

func (s *story) command(name string, a args) string {
	s.t.Helper()
	if name == "former" {
		return s.newFormer(a)
	}
	if s.former == nil {
		s.t.Fatalf("%q: there is no former yet", a.line)
	}
	switch name {
	case "learn":
		cost := batching.Cost{PerRow: a.duration("per-row"), Fixed: a.duration("fixed")}
		for _, rows := range []int{1, 2, 32, 8, 16, 1, 32, 4, 24, 2, 32, 1} {
			s.former.Executed(rows, cost.Of(rows))
		}
		return s.cost()
	case "executed":
		rows, took := a.number("rows"), a.duration("took")
		for range max(1, a.number("times")) {
			s.former.Executed(rows, took)
		}
		return s.cost()
	case "arrive":
		return s.arrive(a)
	case "ask":
		return describeAsk(s.former.Ask())
	case "facts":
		d := s.former.Decide(s.facts(a, a.number("rows")))
		if d.Wait == 0 {
			return describeAsk(d.Ask)
		}
		return fmt.Sprintf("wait %v, then %s", d.Wait.Round(time.Microsecond), describeAsk(d.Ask))
	case "took":
		return s.took(a)
	default:
		s.t.Fatalf("%q: there is no command %s", a.line, name)
		return ""
	}
}

func (s *story) newFormer(a args) string {
	policy := batching.Adaptive
	for p := batching.None; p <= batching.Adaptive; p++ {
		if a.flag(p.String()) {
			policy = p
		}
	}
	s.limits = batching.Limits{Rows: a.number("rows"), Wait: a.duration("wait")}
	f, err := batching.NewFormer(s.limits, policy)
	if err != nil {
		return err.Error()
	}
	s.former, s.clock, s.counter = f, time.Hour, 0
	return "ok"
}

func (s *story) cost() string {
	c, known := s.former.Cost()
	if !known {
		return "unknown"
	}
	return fmt.Sprintf("%v + %v a row", c.Fixed.Round(100*time.Microsecond), c.PerRow.Round(10*time.Microsecond))
}

// arrive lets the former see a queue that others empty.
func (s *story) arrive(a args) string {
	const look = 10 * time.Millisecond
	perRow := float64(time.Second) / float64(a.number("rate"))
	size := max(1, a.number("calls-of"))
	seen := 0.0
	for d := a.duration("for"); d > 0; d -= look {
		s.clock += look
		seen += float64(look)
		rows := int64(seen / perRow)
		seen -= float64(rows) * perRow
		s.counter += rows
		f := batching.Facts{Now: s.clock, Arrived: s.counter}
		if rows > 0 {
			f.Rows, f.Calls = size, 1
		}
		s.former.Took(batching.Cut{Facts: f, Rows: f.Rows, Calls: f.Calls, Asked: batching.Ask{Rows: s.limits.Rows, Enough: 1}})
	}
	return "ok"
}

func (s *story) facts(a args, rows int) batching.Facts {
	s.clock += a.duration("after")
	s.counter += int64(a.number("came"))
	if a.has("clock") {
		s.clock = a.duration("clock")
	}
	if a.has("counter") {
		s.counter = int64(a.number("counter"))
	}
	f := batching.Facts{
		Now: s.clock, Rows: rows, Calls: rows, Oldest: a.duration("oldest"), Newest: a.duration("newest"),
		Left: a.duration("left"), Arrived: s.counter,
	}
	if a.has("calls") {
		f.Calls = a.number("calls")
	}
	return f
}

func (s *story) took(a args) string {
	rows := a.number("rows")
	waiting := rows
	if a.has("waited") {
		waiting = a.number("waited")
	}
	c := batching.Cut{Rows: rows, Calls: rows, More: a.flag("more")}
	c.Asked = batching.Ask{Rows: s.limits.Rows, Enough: a.number("enough"), Age: a.duration("age")}
	c.Facts = s.facts(a, waiting)
	return s.former.Took(c).String()
}

func describeAsk(a batching.Ask) string {
	return fmt.Sprintf("ask for %d rows if %d wait or one for %v", a.Rows, a.Enough, a.Age.Round(time.Microsecond))
}

// args are what follows a command; each is read once.
type args struct {
	t    *testing.T
	line string
	left map[string]string
}

func (a args) has(key string) bool { _, ok := a.left[key]; return ok }

func (a args) flag(key string) bool {
	defer delete(a.left, key)
	return a.has(key)
}

func (a args) number(key string) int {
	defer delete(a.left, key)
	n, err := strconv.Atoi(a.left[key])
	if err != nil && a.has(key) {
		a.t.Fatalf("%q: %v", a.line, err)
	}
	return n
}

func (a args) duration(key string) time.Duration {
	defer delete(a.left, key)
	if !a.has(key) {
		return 0
	}
	d, err := time.ParseDuration(a.left[key])
	if err != nil {
		a.t.Fatalf("%q: %v", a.line, err)
	}
	return d
}
