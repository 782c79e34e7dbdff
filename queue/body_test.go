package queue_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ekiben/ekiben/internal/redistest"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/embedded"
)

// bodies is a queue, and a look at what it keeps.
type bodies struct {
	*bench

	raw    *redis.Client
	prefix string
}

func newBodies(t *testing.T) bodies {
	t.Helper()
	return bodiesAt(t, redistest.URL(t))
}

func bodiesAt(t *testing.T, url string) bodies {
	t.Helper()
	c := queue.DefaultConfig()
	c.URL, c.Prefix = url, redistest.Prefix()
	options, err := redis.ParseURL(c.URL)
	if err != nil {
		t.Fatal(err)
	}
	b := bodies{connect(t, c), redis.NewClient(options), c.Prefix}
	t.Cleanup(func() { _ = b.raw.Close() })
	return b
}

// names are the keys of bodies.
func (b bodies) names() []string {
	b.t.Helper()
	names, err := b.raw.Keys(b.t.Context(), b.prefix+":{ocr~0}:body:*").Result()
	if err != nil {
		b.t.Fatal(err)
	}
	return names
}

// large is the input of a call that is apart.
var large = strings.Repeat("x", 100<<10)

// submit queues a job.
func (b bodies) submit(input string, change func(*queue.Call)) (queue.Job, error) {
	c := call(input)
	if change != nil {
		change(&c)
	}
	return b.Submit(b.t.Context(), c)
}

func TestOnlyLargeInputsAreApart(t *testing.T) {
	t.Parallel()
	b := newBodies(t)
	for input, want := range map[string]int{"small": 0, large: 1} {
		if _, err := b.submit(input, nil); err != nil {
			t.Fatal(err)
		}
		if got := b.names(); len(got) != want {
			t.Errorf("of %d bytes there are the bodies %q, want %d", len(input), got, want)
		}
		w := b.NewConsumer(runner, "w", 0)
		cut := b.cut(w, any32)
		if got := said(cut.Deliveries[0].Inputs); got != input {
			t.Errorf("%d bytes came out, which are not the %d that went in", len(got), len(input))
		}
		if _, err := w.Finish(t.Context(), []queue.Outcome{{Delivery: cut.Deliveries[0]}}); err != nil {
			t.Fatal(err)
		}
		if left := b.names(); len(left) > 0 {
			t.Errorf("after its end the bodies %q are left", left)
		}
	}
}

func TestALargeResultIsApartAsLongAsItsJobIsKept(t *testing.T) {
	t.Parallel()
	b := newBodies(t)
	job, err := b.submit(large, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := b.NewConsumer(runner, "w", 0)
	if _, err := w.Finish(t.Context(), answer(b.cut(w, any32).Deliveries)); err != nil {
		t.Fatal(err)
	}
	if got, want := b.names(), []string{b.prefix + ":{ocr~0}:body:result~" + job.ID}; !slices.Equal(got, want) {
		t.Fatalf("the bodies are %q, want %q", got, want)
	}
	if left := b.raw.PTTL(t.Context(), b.names()[0]).Val(); left <= 0 || left > time.Hour {
		t.Errorf("the result lives for %s", left)
	}
	r, err := b.Result(t.Context(), job.ID)
	if err != nil || said(r.Outputs) != large {
		t.Errorf("Result() = %d outputs, %v", len(r.Outputs), err)
	}
	outcomes, err := b.Outcomes(t.Context(), []string{job.ID}, 1)
	if err != nil || said(outcomes[0].Reply.Outputs) != large {
		t.Errorf("Outcomes() = %d, %v", len(outcomes), err)
	}
	if err := b.Forget(t.Context(), []string{job.ID}); err != nil {
		t.Fatal(err)
	}
	if left := b.names(); len(left) > 0 {
		t.Errorf("the bodies %q are left", left)
	}
}

func TestALargeResultIsKeptByARedisWhoseMemoryIsFull(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := queue.DefaultConfig()
	c.URL = server.URL
	b := bodies{connect(t, c), raw(t, server), c.Prefix}
	job, err := b.submit(large, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := b.NewConsumer(runner, "w", 0)
	cut := b.cut(w, any32)
	if err := b.raw.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(t.Context(), answer(cut.Deliveries)); err != nil {
		t.Fatal(err)
	}
	if r, err := b.Result(t.Context(), job.ID); err != nil || said(r.Outputs) != large {
		t.Errorf("Result() = %d outputs, %v", len(r.Outputs), err)
	}
	if left := b.names(); len(left) > 0 {
		t.Errorf("the bodies %q are left", left)
	}
}

func TestABodyThatNobodyDropsGoesByItself(t *testing.T) {
	t.Parallel()
	const callHas = time.Minute
	wants := func(b bodies, longer time.Duration) {
		t.Helper()
		names := b.names()
		if len(names) != 1 {
			t.Fatalf("the bodies are %q, want one", names)
		}
		if left := b.raw.PTTL(t.Context(), names[0]).Val(); left <= longer || left > callHas+longer {
			t.Errorf("%s lives for %s, want %s longer than its call has", names[0], left, longer)
		}
	}
	ofJob, awaited := newBodies(t), newBodies(t)
	if _, err := ofJob.submit(large, nil); err != nil {
		t.Fatal(err)
	}
	wants(ofJob, 7*24*time.Hour)

	done := make(chan error, 1)
	go func() {
		_, err := awaited.Do(t.Context(), call(large))
		done <- err
	}()
	w := awaited.NewConsumer(runner, "w", 0)
	cut := awaited.cut(w, any32)
	wants(awaited, time.Hour)
	if _, err := w.Finish(t.Context(), answer(cut.Deliveries)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Wherever the memory ends, before what is staged, behind it, or behind its entry: a
// call is taken, or nothing of it stays in what room there is.
func TestWhatAFullRedisRefusesTakesNoRoom(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := queue.DefaultConfig()
	c.URL = server.URL
	b := bodies{connect(t, c), raw(t, server), c.Prefix}
	if _, err := b.submit("small", nil); err != nil { // scripts are loaded
		t.Fatal(err)
	}
	taken, refused := 0, 0
	for room := -20 << 10; room < 600<<10; room += 10 << 10 {
		info, err := b.raw.InfoMap(t.Context(), "memory").Result()
		if err != nil {
			t.Fatal(err)
		}
		used, err := strconv.Atoi(info["Memory"]["used_memory"])
		if err != nil {
			t.Fatal(err)
		}
		if err := b.raw.ConfigSet(t.Context(), "maxmemory", strconv.Itoa(used+room)).Err(); err != nil {
			t.Fatal(err)
		}
		const together = 8 // they share scripts
		said := make(chan error, together)
		for range together {
			go func() {
				_, err := b.submit(large, func(c *queue.Call) { c.Admission.MaxBytes = 1 << 30 })
				said <- err
			}()
		}
		for range together {
			switch err := <-said; {
			case err == nil:
				taken++
			case errors.Is(err, queue.ErrRefused):
				refused++
			default:
				t.Error(err)
			}
		}
		if n := len(b.names()); n != taken {
			t.Fatalf("with %d bytes of room there are %d bodies of %d calls", room, n, taken)
		}
	}
	if taken == 0 || refused == 0 {
		t.Errorf("%d calls were taken and %d refused, want some of both", taken, refused)
	}
	t.Logf("%d taken, %d refused", taken, refused)
}

func TestACallThatIsRefusedLeavesNoBody(t *testing.T) {
	t.Parallel()
	b := newBodies(t)
	for name, change := range map[string]func(*queue.Call){
		"full":      func(c *queue.Call) { c.Admission.MaxBytes = 1000 },
		"no worker": func(c *queue.Call) { c.Admission.NeedWorker = true },
	} {
		if _, err := b.submit(large, change); err == nil {
			t.Errorf("%s: it was accepted", name)
		}
		if left := b.names(); len(left) > 0 {
			t.Errorf("%s: the bodies %q are left", name, left)
		}
	}
}

func TestAJobIsSubmittedTwiceAndItsBodyOnce(t *testing.T) {
	t.Parallel()
	b := newBodies(t)
	job, err := b.submit(large, nil)
	if err != nil {
		t.Fatal(err)
	}
	before := b.names()
	if _, err := b.submit(large, func(c *queue.Call) { c.ID = job.ID }); err != nil {
		t.Fatal(err)
	}
	if after := b.names(); !slices.Equal(before, after) {
		t.Errorf("the bodies were %q and are %q", before, after)
	}
}

func TestACallWhoseBodyIsGoneFailsAndIsNoLoop(t *testing.T) {
	t.Parallel()
	b := newBodies(t)
	job, err := b.submit(large, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.raw.Del(t.Context(), b.names()...)
	cut, err := b.NewConsumer(runner, "w", 0).Cut(t.Context(), any32)
	if err != nil || len(cut.Deliveries) > 0 {
		t.Fatalf("Cut() = %+v, %v; want nothing", cut, err)
	}
	if job, err = b.Job(t.Context(), job.ID); err != nil || job.State != queue.Failed || !strings.Contains(job.Err.Message, "not in redis") {
		t.Errorf("the job is %+v, %v", job, err)
	}
	letters, _, err := b.DeadLetters(t.Context(), runner, "", 10)
	if err != nil || len(letters) != 1 || letters[0].Err == nil {
		t.Fatalf("DeadLetters() = %+v, %v; want one that cannot be read", letters, err)
	}
	if _, err := b.Redrive(t.Context(), runner, letters[0].ID, queue.Admission{}); !errors.Is(err, queue.ErrNotRetryable) {
		t.Errorf("Redrive() = %v", err)
	}
}

func TestAJobThatRunsAgainHasItsInputs(t *testing.T) {
	t.Parallel()
	runsAgain(newBodies(t))
}

func TestAJobThatRunsAgainHasItsInputsOnTheEmbeddedRedis(t *testing.T) {
	t.Parallel()
	e, err := embedded.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	runsAgain(bodiesAt(t, e.URL()))
}

// runsAgain lets a job fail three times, and then succeed with a large result.
func runsAgain(b bodies) {
	t := b.t
	t.Helper()
	job, err := b.submit(large, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := b.NewConsumer(runner, "w", 0)
	for attempt := range 3 {
		cut := b.cut(w, any32)
		if said(cut.Deliveries[0].Inputs) != large {
			t.Fatalf("attempt %d has other inputs", attempt)
		}
		failed := queue.Reply{Err: &queue.CallError{Code: queue.CodeRunnerFailed, Message: "out of ink"}}
		if _, err := w.Finish(t.Context(), []queue.Outcome{{Delivery: cut.Deliveries[0], Reply: failed}}); err != nil {
			t.Fatal(err)
		}
		if got, want := b.names(), []string{b.prefix + ":{ocr~0}:body:" + job.ID}; !slices.Equal(got, want) {
			t.Fatalf("attempt %d: the bodies are %q, want %q", attempt, got, want)
		}
		if left := b.raw.PTTL(t.Context(), b.names()[0]).Val(); left <= 0 || left > time.Hour {
			t.Errorf("attempt %d: the body of the record lives for %s", attempt, left)
		}
		if _, err := b.Retry(t.Context(), job.ID, queue.Admission{MaxCalls: 10, MaxBytes: 1 << 20}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Finish(t.Context(), answer(b.cut(w, any32).Deliveries)); err != nil {
		t.Fatal(err)
	}
	if r, err := b.Result(t.Context(), job.ID); err != nil || said(r.Outputs) != large {
		t.Errorf("Result() = %d outputs, %v", len(r.Outputs), err)
	}
	if got, want := b.names(), []string{b.prefix + ":{ocr~0}:body:result~" + job.ID}; !slices.Equal(got, want) {
		t.Errorf("at the end the bodies are %q, want %q", got, want)
	}
}
