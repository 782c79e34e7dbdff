package gateway_test

import (
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
)

// listed reads a list of jobs.
func listed(t *testing.T, w *httptest.ResponseRecorder) (ids []string, next string) {
	t.Helper()
	var page struct {
		Jobs []job
		Next string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || w.Code != http.StatusOK || page.Jobs == nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	for _, j := range page.Jobs {
		ids = append(ids, j.ID)
	}
	return ids, page.Next
}

func TestJobsAreListedPageByPage(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	for _, id := range []string{"all~0~a", "all~0~b", "all~0~c"} {
		q.jobs[id] = queue.Job{ID: id, Runner: "all", State: queue.Queued}
	}
	h := newGateway(t, q, setup{}).Handler()
	ids, next := listed(t, send(t, h, http.MethodGet, "/v1/jobs?limit=2", ""))
	if strings.Join(ids, " ") != "all~0~a all~0~b" || next == "" {
		t.Errorf("got %v, %q", ids, next)
	}
	ids, next = listed(t, send(t, h, http.MethodGet, "/v1/jobs?limit=2&cursor="+url.QueryEscape(next), ""))
	if strings.Join(ids, " ") != "all~0~c" || next != "" {
		t.Errorf("got %v, %q", ids, next)
	}
	w := send(t, newGateway(t, newFakeQueue(), setup{}).Handler(), http.MethodGet, "/v1/jobs", "")
	wantBody(t, w, http.StatusOK, `{"jobs":[]}`+"\n")
}

func TestAListIsOfWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	h := newGateway(t, q, setup{}).Handler()
	for query, want := range map[string]queue.JobQuery{
		"":                                 {Limit: 100},
		"runner=all":                       {Runner: "all", Limit: 100},
		"state=failed&limit=1000":          {State: queue.Failed, Limit: 1000},
		"from=2026-09-30T12:00:00Z":        {From: time.Date(2026, 9, 30, 12, 0, 0, 0, time.UTC), Limit: 100},
		"until=2026-09-30T12:00:00.25Z":    {Until: time.Date(2026, 9, 30, 12, 0, 0, 250e6, time.UTC), Limit: 100},
		"from=2026-09-30T14:00:00%2B02:00": {From: time.Date(2026, 9, 30, 12, 0, 0, 0, time.UTC), Limit: 100},
		"cursor=abc&runner=all&state=queued&from=1970-01-01T00:00:00Z&until=2030-01-01T00:00:00Z&limit=1": {
			Cursor: "abc", Runner: "all", State: queue.Queued, From: time.Unix(0, 0), Until: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), Limit: 1,
		},
	} {
		listed(t, send(t, h, http.MethodGet, "/v1/jobs?"+query, ""))
		got := q.kept.queries[len(q.kept.queries)-1]
		if !got.From.Equal(want.From) || !got.Until.Equal(want.Until) {
			t.Errorf("%s: got %+v, want %+v", query, got, want)
		}
		got.From, got.Until, want.From, want.Until = time.Time{}, time.Time{}, time.Time{}, time.Time{}
		if got != want {
			t.Errorf("%s: got %+v, want %+v", query, got, want)
		}
	}
}

func TestAListThatIsAskedForWronglyIsNotGuessed(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	h := newGateway(t, q, setup{}).Handler()
	for query, words := range map[string][]string{
		"status=failed":                  {`"status"`, "runner, state, from, until, limit and cursor"},
		"state=done":                     {`"done"`, "succeeded"},
		"state=":                         {"state is empty"},
		"state=queued&state=running":     {"2 times"},
		"runner=No+Name":                 {"runner's name"},
		"limit=0":                        {"1 to 1000"},
		"limit=1001":                     {"1 to 1000"},
		"limit=ten":                      {`"ten"`},
		"from=yesterday":                 {`"yesterday"`, "RFC 3339"},
		"from=2026-09-30T14:00:00+02:00": {"RFC 3339"}, // the plus is a space
		"until=0001-01-01T00:00:00Z":     {"RFC 3339"},
		"from=2026-09-30T12:00:00Z&until=2026-09-30T12:00:00Z": {"not before"},
		"cursor=" + strings.Repeat("x", 513):                   {"cursor"},
		"cursor=bad":                                           {"cursor"},
		"a=%zz":                                                {"query"},
		"a;b":                                                  {"query"},
	} {
		wantProblem(t, send(t, h, http.MethodGet, "/v1/jobs?"+query, ""), http.StatusBadRequest, "invalid_input", words...)
	}
}

// FuzzJobQuery: whatever the query, what is taken is within bounds, and what is
// not is the client's mistake.
func FuzzJobQuery(f *testing.F) {
	for _, s := range []string{
		"", "runner=all&state=failed", "from=2026-09-30T12:00:00Z&until=2026-10-30T12:00:00Z", "limit=5&cursor=abc", "limit=-1", "%", "a;b", "state=%00",
		"from=9999-12-31T23:59:59.999999999Z",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := gateway.JobQueryOf(raw)
		if err != nil {
			wantInvalid(t, err)
			return
		}
		if q.Limit < 1 || q.Limit > 1000 || len(q.Cursor) > 512 || len(q.Runner) > 63 || q.From.Unix() < 0 && !q.From.IsZero() {
			t.Errorf("%q is %+v", raw, q)
		}
		if !q.From.IsZero() && !q.Until.IsZero() && !q.From.Before(q.Until) {
			t.Errorf("%q is from %s until %s", raw, q.From, q.Until)
		}
	})
}

func TestAJobThatWaitsTellsItsPlaceAndWhenItsTurnComes(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	for id, ahead := range map[string]int{"all~0~near": 2, "all~0~far": 100_000, "all~0~unknown": -1} {
		q.jobs[id] = queue.Job{ID: id, Runner: "all", State: queue.Queued, Ahead: ahead, Lane: queue.High, Attempt: 2, StartBy: createdAt}
	}
	h := newGateway(t, q, setup{}).Handler()
	get := func(path string, status int) (job, string) {
		w := send(t, h, http.MethodGet, path, "")
		return wantJob(t, w, status, queue.Queued), w.Header().Get("Retry-After")
	}
	near, after := get("/v1/jobs/all~0~near", http.StatusOK)
	if near.Position == nil || *near.Position != 3 || near.Priority != "high" || near.Attempt != 2 || near.StartByAt != "2026-09-30T12:00:00.123Z" || after != "1" {
		t.Errorf("got %+v, Retry-After %s", near, after)
	}
	if far, _ := get("/v1/jobs/all~0~far/result", http.StatusAccepted); far.Position == nil || *far.Position != 100_001 {
		t.Errorf("got %+v", far)
	}
	if unknown, after := get("/v1/jobs/all~0~unknown", http.StatusOK); unknown.Position != nil || unknown.ExpectedStart != nil || after != "1" {
		t.Errorf("got %+v, Retry-After %s", unknown, after)
	}
}

func TestAJobThatWaitsTellsWhenItsTurnComes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue(everything())
		// 32 rows in 100 ms: 3.1 ms a row.
		q.stats["all"] = queue.Stats{At: time.Second, Depth: 5000, Waiting: 5000, WaitingRows: 5000, Workers: 1}
		q.beats["all"] = []queue.Heartbeat{{Worker: "w", Instances: 1, Batches: 100, Rows: 3200, FixedMS: 100}}
		for id, ahead := range map[string]int{"all~0~first": 0, "all~0~near": 1000, "all~0~far": 4999_000} {
			q.jobs[id] = queue.Job{ID: id, Runner: "all", State: queue.Queued, Ahead: ahead}
		}
		g := newGateway(t, q, setup{})
		defer running(t, g)()
		synctest.Wait()
		for id, after := range map[string]int{"first": 1, "near": 0, "far": 60} {
			w := send(t, g.Handler(), http.MethodGet, "/v1/jobs/all~0~"+id+"/result", "")
			j := wantJob(t, w, http.StatusAccepted, queue.Queued)
			if j.ExpectedStart == nil {
				t.Fatalf("%s: got %s", id, w.Body)
			}
			ahead := float64(q.jobs["all~0~"+id].Ahead)
			if seconds := *j.ExpectedStart; seconds < ahead*0.002 || seconds > ahead*0.005 {
				t.Errorf("%s: %v calls take %vs", id, ahead, seconds)
			}
			if after == 0 {
				after = int(math.Ceil(*j.ExpectedStart))
			}
			if got := w.Header().Get("Retry-After"); got != strconv.Itoa(after) {
				t.Errorf("%s: Retry-After is %s for %vs, want %d", id, got, *j.ExpectedStart, after)
			}
		}
	})
}

func TestAJobIsRunAgain(t *testing.T) {
	t.Parallel()
	for _, state := range []queue.State{queue.Failed, queue.Expired, queue.Canceled} {
		q := ended(t, state, queue.Reply{})
		w := send(t, newGateway(t, q, setup{}).Handler(), http.MethodPost, "/v1/jobs/all~0~x/retry", "")
		if j := wantJob(t, w, http.StatusAccepted, queue.Queued); j.Attempt != 1 || w.Header().Get("Location") != j.URLs.Self || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: got %+v, %v", state, j, w.Header())
		}
		if a := q.kept.admission; a.MaxCalls != 100 || a.MaxBytes != 1<<20 {
			t.Errorf("admission %+v", a)
		}
	}
	for _, state := range []queue.State{queue.Queued, queue.Running, queue.Succeeded} {
		w := send(t, newGateway(t, ended(t, state, queue.Reply{}), setup{}).Handler(), http.MethodPost, "/v1/jobs/all~0~x/retry", "")
		wantProblem(t, w, http.StatusConflict, "conflict", "cannot be run again: it is "+string(state))
	}
	lost := ended(t, queue.Failed, queue.Reply{})
	lost.kept.refuse = queue.ErrNotRetryable
	w := send(t, newGateway(t, lost, setup{}).Handler(), http.MethodPost, "/v1/jobs/all~0~x/retry", "")
	wantProblem(t, w, http.StatusConflict, "conflict", "its input is not kept")
	q := ended(t, queue.Failed, queue.Reply{})
	q.kept.refuse = queue.ErrFull
	h := newGateway(t, q, setup{}).Handler()
	wantProblem(t, send(t, h, http.MethodPost, "/v1/jobs/all~0~x/retry", ""), http.StatusTooManyRequests, "queue_full")
	wantProblem(t, send(t, h, http.MethodPost, "/v1/jobs/all~0~y/retry", ""), http.StatusNotFound, "not_found", "no such job")
	wantProblem(t, send(t, h, http.MethodPost, "/v1/jobs/nothing/retry", ""), http.StatusNotFound, "not_found", "no such job")
	wantProblem(t, send(t, h, http.MethodPost, "/v1/jobs/gone~0~y/retry", ""), http.StatusNotFound, "not_found", "gone")
}
