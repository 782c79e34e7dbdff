package bulk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ekiben/ekiben/internal/redistest"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks/bulk"
)

// world is what outlives the processes of a test: Redis, the blob store, and the
// jobs.
type world struct {
	t      *testing.T
	queue  *queue.Queue
	prefix string
	store  *bulk.Store
	config bulk.Config
	desk   *bulk.Desk

	mu   sync.Mutex
	jobs map[string]*job
	// ran counts executions by the body of the call, most jobs at once.
	ran            map[string]int
	open, mostOpen int
	// hold keeps jobs pending, slow those with that word in their body; refuse
	// refuses the next so many calls for now.
	hold   bool
	slow   bool
	refuse int
	forgot int
	// lose loses the next so many jobs, and always those with "lost" in their body.
	lose int
	// caller is who made the last call, looks is how often jobs were looked at.
	caller string
	looks  int
	// told is how many bytes of outcomes were handed out. answer, if set, is that of
	// every call.
	told   int
	answer []byte
}

type job struct {
	outcome bulk.Outcome
	slow    bool
	polls   int
	// seen: somebody was told the outcome.
	seen bool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := queue.DefaultConfig()
	c.URL, c.Prefix = redistest.URL(t), redistest.Prefix()
	q, err := queue.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	url, err := bulk.FolderURL(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s, err := bulk.OpenStore(t.Context(), url, c.Prefix)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	config := bulk.DefaultConfig()
	config.Window, config.PartLines = 8, 5
	config.Lease, config.Poll = 200*time.Millisecond, 5*time.Millisecond
	return &world{
		t: t, queue: q, prefix: c.Prefix, store: s, config: config, desk: bulk.NewDesk(config, s, q),
		jobs: map[string]*job{}, ran: map[string]int{},
	}
}

// Submit runs a call at once; its outcome shows when it was looked at twice.
func (w *world) Submit(_ context.Context, c bulk.Call) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse > 0 {
		w.refuse--
		return &bulk.Refusal{Status: 429, Body: []byte(`{"code":"queue_full"}`), Passes: true}
	}
	if c.Runner == "none" {
		return &bulk.Refusal{Status: 404, Body: []byte(`{"code":"not_found","detail":"there is no such runner"}`)}
	}
	if w.jobs[c.ID] != nil {
		return nil
	}
	w.ran[string(c.Body)]++
	w.caller = c.Caller
	if w.lose > 0 || strings.Contains(string(c.Body), "lost") {
		w.lose--
		return nil
	}
	w.open++
	w.mostOpen = max(w.mostOpen, w.open)
	o := bulk.Outcome{State: bulk.Answered, Status: 200, Body: c.Body}
	if w.answer != nil {
		o.Body = w.answer
	}
	if strings.Contains(string(c.Body), "bad") {
		o = bulk.Outcome{State: bulk.Answered, Status: 500, Body: []byte(`{"code":"runner_failed","detail":"it broke"}`)}
	}
	w.jobs[c.ID] = &job{outcome: o, slow: strings.Contains(string(c.Body), "slow")}
	return nil
}

func (w *world) Outcomes(_ context.Context, ids []string, most int64) ([]bulk.Outcome, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	out := make([]bulk.Outcome, len(ids))
	for i, id := range ids {
		j := w.jobs[id]
		if j == nil {
			continue
		}
		if j.polls++; j.outcome.State == bulk.Answered && (w.hold || j.slow && w.slow || j.polls < 2) {
			out[i] = bulk.Outcome{State: bulk.Pending}
			continue
		}
		if most -= int64(len(j.outcome.Body)); most < 0 && i > 0 {
			out[i] = bulk.Outcome{State: bulk.Pending}
			continue
		}
		if !j.seen {
			w.open--
			j.seen = true
			w.told += len(j.outcome.Body)
		}
		out[i] = j.outcome
	}
	return out, nil
}

func (w *world) Cancel(_ context.Context, id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if j := w.jobs[id]; j != nil && (w.hold || j.polls < 2) {
		j.outcome = bulk.Outcome{State: bulk.Canceled, Status: 409}
	}
	return nil
}

func (w *world) Forget(_ context.Context, ids []string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		if w.jobs[id] != nil {
			w.forgot++
		}
		delete(w.jobs, id)
	}
	return nil
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// batch makes a batch of lines.
func (w *world) batch(spec queue.BatchSpec, lines string) queue.Batch {
	w.t.Helper()
	f, err := w.desk.Receive(w.t.Context(), "in.jsonl", strings.NewReader(lines))
	if err != nil {
		w.t.Fatal(err)
	}
	spec.File = f.ID
	b, err := w.desk.Create(w.t.Context(), spec)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// process runs an engine until the test, or stop, ends it.
func (w *world) process(records bulk.Records, calls bulk.Calls) (stop func()) {
	w.t.Helper()
	e, err := bulk.NewEngine(w.config, w.store, records, calls, slog.New(slog.DiscardHandler))
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = e.Run(ctx)
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	w.t.Cleanup(stop)
	return stop
}

// until polls until the batch is as wanted.
func (w *world) until(id, what string, good func(queue.Batch) bool) queue.Batch {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		b, err := w.queue.Batch(ctx, id)
		if err == nil && good(b) {
			return b
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			w.t.Fatalf("%s did not come: %+v, %v", what, b, err)
		}
	}
}

func (w *world) ended(id string) queue.Batch {
	w.t.Helper()
	return w.until(id, "the end", func(b queue.Batch) bool { return b.State.Terminal() })
}

func (w *world) read(file string) string {
	w.t.Helper()
	r, err := w.desk.Open(w.t.Context(), file)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	all, err := io.ReadAll(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(all)
}

// customIDs are those of a file with outcomes, in order.
func customIDs(t *testing.T, file string) []string {
	t.Helper()
	var ids []string
	for line := range strings.Lines(file) {
		var o struct {
			CustomID string `json:"custom_id"`
		}
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		ids = append(ids, o.CustomID)
	}
	return ids
}

func goodLines(n int) (lines string, ids []string) {
	var b strings.Builder
	for i := range n {
		id := fmt.Sprintf("c%03d", i)
		fmt.Fprintf(&b, "{\"custom_id\":%q,\"input\":{\"n\":%d}}\n", id, i)
		ids = append(ids, id)
	}
	return b.String(), ids
}

func ours() queue.BatchSpec { return queue.BatchSpec{Runner: "echo", Method: "run"} }

func TestABatchEndsEveryLineOnceInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lines, ids := goodLines(103)
	b := w.batch(ours(), lines)
	w.process(w.queue, w)
	b = w.ended(b.ID)
	if b.State != queue.BatchCompleted || b.Total != 103 || b.Completed != 103 || b.Failed != 0 || b.Results != 21 || b.Errors != 0 {
		t.Fatalf("got %+v", b)
	}
	results := w.read(bulk.ResultsFile(b.ID))
	if got := customIDs(t, results); fmt.Sprint(got) != fmt.Sprint(ids) {
		t.Errorf("results are of %v", got)
	}
	if first, _, _ := strings.Cut(results, "\n"); first != `{"custom_id":"c000","line":1,"status":200,"result":{"n":0}}` {
		t.Errorf("the first is %s", first)
	}
	f, err := w.desk.File(t.Context(), bulk.ResultsFile(b.ID))
	if err != nil || f.Bytes != int64(len(results)) || f.Lines != 103 {
		t.Errorf("file %+v, %v", f, err)
	}
	if w.mostOpen > w.config.Window {
		t.Errorf("%d calls were in flight, window %d", w.mostOpen, w.config.Window)
	}
	if len(w.jobs) != 0 || w.forgot != 103 {
		t.Errorf("%d jobs are kept, %d forgotten", len(w.jobs), w.forgot)
	}
}

func TestLinesThatAreWrongAreErrorsOfTheirOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.config.MaxLine = 200
	b := w.batch(ours(), strings.Join([]string{
		`{"custom_id":"ok","input":1}`,
		``,
		`{"custom_id":"ok","input":2}`,
		`not json`,
		`{"input":3}`,
		`{"custom_id":"","input":3}`,
		`{"custom_id":"field","input":3,"typo":1}`,
		`{"custom_id":"two","input":3} {}`,
		`{"custom_id":"noinput"}`,
		`{"custom_id":"long","input":"` + strings.Repeat("x", 200) + `"}`,
		`{"custom_id":"runner","runner":"none","input":4}`,
		`{"custom_id":"name","runner":"a{b}","input":4}`,
		`{"custom_id":"fails","input":"bad"}`,
		`{"custom_id":"url","method":"POST","url":"/v1/other","body":1}`,
		`{"custom_id":"get","method":"GET","url":"/v1/runners/a/b","body":1}`,
		`{"custom_id":"openai","method":"POST","url":"/v1/runners/a/b","body":5}`,
	}, "\n"))
	w.process(w.queue, w)
	b = w.ended(b.ID)
	if b.State != queue.BatchCompleted || b.Total != 15 || b.Completed != 2 || b.Failed != 13 {
		t.Errorf("got %+v", b)
	}
	if got := customIDs(t, w.read(bulk.ResultsFile(b.ID))); fmt.Sprint(got) != "[ok openai]" {
		t.Errorf("results of %v", got)
	}
	errs := w.read(bulk.ErrorsFile(b.ID))
	for i, want := range []string{
		`"line":3,"status":400`, `"line":4,"status":400`, `custom_id is missing`, `custom_id is missing`, `typo`, `something behind`,
		`want input`, `longer than 200 bytes`, `"status":404`, `there is no runner`, `"status":500`, `want /v1/runners/`, `has method \"POST\"`,
	} {
		if line := strings.Split(errs, "\n")[i]; !strings.Contains(line, want) {
			t.Errorf("error %d is %s, want %s", i, line, want)
		}
	}
	if len(w.ran) != 3 {
		t.Errorf("ran %v", w.ran)
	}
}

func TestOutcomesInTheShapeOfOpenAI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.batch(queue.BatchSpec{OpenAI: true, Endpoint: "/v1/runners/a/b"}, strings.Join([]string{
		`{"custom_id":"one","method":"POST","url":"/v1/runners/a/b","body":{"x":1}}`,
		`{"custom_id":"two","method":"POST","url":"/v1/runners/a/b","body":"bad"}`,
		`{"custom_id":"three","method":"POST","url":"/v1/runners/a/c","body":1}`,
	}, "\n"))
	w.process(w.queue, w)
	b = w.ended(b.ID)
	id := queue.IDFor("a", "batch:"+b.ID+":0")
	want := `{"id":"` + b.ID + `-1","custom_id":"one","response":{"status_code":200,"request_id":"` + id + `","body":{"x":1}},"error":null}` + "\n"
	if got := w.read(bulk.ResultsFile(b.ID)); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	errs := strings.Split(w.read(bulk.ErrorsFile(b.ID)), "\n")
	if !strings.Contains(errs[0], `"status_code":500`) || !strings.Contains(errs[0], `"body":{"code":"runner_failed","detail":"it broke"}},"error":null}`) {
		t.Errorf("got %s", errs[0])
	}
	if !strings.Contains(errs[1], `"custom_id":"three","response":null,"error":{"code":"invalid_input"`) {
		t.Errorf("got %s", errs[1])
	}
}

func TestWhatIsRefusedForNowIsSentAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.refuse = 20
	lines, _ := goodLines(30)
	b := w.batch(ours(), lines)
	w.process(w.queue, w)
	if b = w.ended(b.ID); b.Completed != 30 || b.Failed != 0 {
		t.Errorf("got %+v", b)
	}
}

// The first of what is in flight may be slower than all behind it.
func TestSlowLinesDoNotHideThatOthersHaveEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.slow = true
	slow := ""
	for i := range 3 {
		slow += fmt.Sprintf("{\"custom_id\":\"s%d\",\"input\":\"slow\"}\n", i)
	}
	lines, _ := goodLines(20)
	b := w.batch(ours(), slow+lines)
	w.process(w.queue, w)
	w.until(b.ID, "what the window lets in", func(b queue.Batch) bool { return b.Completed == 2*w.config.Window-3 })
	w.set(func() { w.slow = false })
	if b = w.ended(b.ID); b.Completed != 23 {
		t.Errorf("got %+v", b)
	}
}

func TestACanceledBatchKeepsWhatIsDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lines, _ := goodLines(200)
	b := w.batch(ours(), lines)
	w.process(w.queue, w)
	w.until(b.ID, "a part", func(b queue.Batch) bool { return b.Results > 0 })
	w.set(func() { w.hold = true })
	if _, err := w.queue.CancelBatch(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	b = w.ended(b.ID)
	got := customIDs(t, w.read(bulk.ResultsFile(b.ID)))
	if b.State != queue.BatchCancelled || b.Completed != len(got) || len(got) == 0 || b.Failed != 0 {
		t.Errorf("got %+v and %d results", b, len(got))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, j := range w.jobs {
		if j.outcome.State == bulk.Answered && !j.seen {
			t.Errorf("job %s still runs", id)
		}
	}
}

func TestABatchWhoseFileIsGoneFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, err := w.queue.SaveBatch(t.Context(), "batchX", queue.BatchSpec{File: "file-GONE"}, 3)
	if err != nil {
		t.Fatal(err)
	}
	w.process(w.queue, w)
	if b = w.ended(b.ID); b.State != queue.BatchFailed || b.Err == "" {
		t.Errorf("got %+v", b)
	}
}

func TestFilesThatAreNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.config.MaxBytes, w.config.MaxLines = 50, 3
	desk := bulk.NewDesk(w.config, w.store, w.queue)
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		from io.Reader
		want error
	}{
		"empty": {strings.NewReader(""), queue.ErrEmptyFile},
		"blank": {strings.NewReader("\n \r\n\t"), queue.ErrEmptyFile},
		"large": {strings.NewReader(strings.Repeat("x", 51)), queue.ErrFileTooLarge},
		"long":  {strings.NewReader("1\n2\n3\n4"), queue.ErrFileTooLarge},
		"torn":  {io.MultiReader(strings.NewReader("{}"), failing{broken}), broken},
	} {
		if _, err := desk.Receive(t.Context(), name, c.from); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for _, id := range []string{"", "file-", "file-../x", "file-none", "results-none", "x"} {
		if _, err := desk.Open(t.Context(), id); !errors.Is(err, queue.ErrUnknownFile) {
			t.Errorf("%s: got %v", id, err)
		}
		if _, err := desk.File(t.Context(), id); !errors.Is(err, queue.ErrUnknownFile) {
			t.Errorf("%s: got %v", id, err)
		}
	}
	f, err := desk.Receive(t.Context(), "x", strings.NewReader("1\n\n2"))
	if err != nil || f.Lines != 2 || f.Bytes != 4 {
		t.Errorf("got %+v, %v", f, err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestABatchMadeTwiceWithOneKeyIsOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	spec := ours()
	spec.Key = "k"
	one, two := w.batch(spec, "1"), w.batch(spec, "1")
	if one.ID != two.ID {
		t.Errorf("%s and %s", one.ID, two.ID)
	}
	f, err := w.desk.Receive(t.Context(), "other", strings.NewReader("2"))
	if err != nil {
		t.Fatal(err)
	}
	spec.File = f.ID
	if _, err := w.desk.Create(t.Context(), spec); !errors.Is(err, queue.ErrKeyReused) {
		t.Errorf("got %v", err)
	}
}
