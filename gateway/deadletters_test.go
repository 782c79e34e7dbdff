package gateway_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/tensor"
)

// letters makes so many dead letters of the runner "all", with ids from 1.
func letters(t *testing.T, n int) []queue.DeadLetter {
	t.Helper()
	all := make([]queue.DeadLetter, n)
	for i := range all {
		id := strconv.Itoa(i + 1)
		all[i] = queue.DeadLetter{
			ID: id, Runner: "all", Reason: "crashed", Died: createdAt.Add(time.Second), Accepted: createdAt, Rows: 1, Bytes: 40, Job: true,
			Call: queue.Call{ID: "all~0~" + id, Runner: "all", Method: "text", Inputs: []tensor.Named{texts(t, "a")}},
		}
	}
	return all
}

// dead reads a list of dead letters.
func dead(t *testing.T, w *httptest.ResponseRecorder) (ids []string, next string) {
	t.Helper()
	var page struct {
		DeadLetters []struct{ ID string } `json:"dead_letters"`
		Next        string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || w.Code != http.StatusOK || page.DeadLetters == nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	for _, l := range page.DeadLetters {
		ids = append(ids, l.ID)
	}
	return ids, page.Next
}

func TestDeadLettersAreListedPageByPage(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	q.bury(letters(t, 3))
	h := newGateway(t, q, setup{}).Handler()
	ids, next := dead(t, send(t, h, http.MethodGet, "/v1/queues/all/dead?limit=2", ""))
	if strings.Join(ids, " ") != "1 2" || next != "2" {
		t.Errorf("got %v, %q", ids, next)
	}
	ids, next = dead(t, send(t, h, http.MethodGet, "/v1/queues/all/dead?cursor="+next, ""))
	if strings.Join(ids, " ") != "3" || next != "" {
		t.Errorf("got %v, %q", ids, next)
	}
	if ids, _ := dead(t, send(t, newGateway(t, newFakeQueue(everything()), setup{}).Handler(), http.MethodGet, "/v1/queues/all/dead", "")); len(ids) > 0 {
		t.Errorf("got %v", ids)
	}
	for query, word := range map[string]string{"limit=0": "1 to 1000", "cursor=x": "cursor", "state=x": "limit and cursor"} {
		wantProblem(t, send(t, h, http.MethodGet, "/v1/queues/all/dead?"+query, ""), http.StatusBadRequest, "invalid_input", word)
	}
	wantProblem(t, send(t, h, http.MethodGet, "/v1/queues/nobody/dead", ""), http.StatusNotFound, "not_found")
}

func TestADeadLetterShowsItsInputs(t *testing.T) {
	t.Parallel()
	small, large := texts(t, "</script>&", "b"), texts(t, strings.Repeat("x", 70<<10))
	q := newFakeQueue(everything())
	all := letters(t, 3)
	all[0].Call.Inputs = []tensor.Named{large, small}
	all[0].Call.Lane = queue.High
	all[1].Err = errors.New("version 9")
	all[2].Call.Method, all[2].Job = "gone", false
	q.bury(all)
	h := newGateway(t, q, setup{}).Handler()
	const times = `"died_at":"2026-09-30T12:00:01.123Z","accepted_at":"2026-09-30T12:00:00.123Z",`
	wantBody(t, send(t, h, http.MethodGet, "/v1/queues/all/dead/1", ""), http.StatusOK,
		`{"id":"1","runner":"all","reason":"crashed",`+times+`"call_id":"all~0~1","method":"text","priority":"high","attempt":0,"rows":1,"bytes":40,"job":true,"redrivable":true,`+
			`"inputs":[{"name":"input_text","datatype":"BYTES","shape":[1],"bytes":71684},`+
			`{"name":"input_text","datatype":"BYTES","shape":[2],"bytes":19,"value":["\u003c/script\u003e\u0026","b"]}]}`+"\n")
	wantBody(t, send(t, h, http.MethodGet, "/v1/queues/all/dead/2", ""), http.StatusOK,
		`{"id":"2","runner":"all","reason":"crashed",`+times+`"call_id":"all~0~2","attempt":0,"rows":1,"bytes":40,"job":true,"redrivable":false,"error":"it cannot be read: version 9"}`+"\n")
	wantBody(t, send(t, h, http.MethodGet, "/v1/queues/all/dead/3", ""), http.StatusOK,
		`{"id":"3","runner":"all","reason":"crashed",`+times+`"call_id":"all~0~3","method":"gone","priority":"normal","attempt":0,"rows":1,"bytes":40,"job":false,"redrivable":true,`+
			`"inputs":[{"name":"input_text","datatype":"BYTES","shape":[1],"bytes":5,"value":["YQ=="]}]}`+"\n")
	wantProblem(t, send(t, h, http.MethodGet, "/v1/queues/all/dead/9", ""), http.StatusNotFound, "not_found", "dead letter")
}

func TestADeadLetterIsRedriven(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	all := letters(t, 2)
	all[1].Err = errors.New("version 9")
	q.bury(all)
	h := newGateway(t, q, setup{}).Handler()
	w := local(t, h, http.MethodPost, "/v1/queues/all/dead/1/redrive")
	if j := wantJob(t, w, http.StatusAccepted, queue.Queued); j.ID != "all~0~1" || j.Attempt != 1 || w.Header().Get("Location") != j.URLs.Self {
		t.Errorf("got %+v, %v", j, w.Header())
	}
	if q.kept.admission.MaxCalls != 100 {
		t.Errorf("admission %+v", q.kept.admission)
	}
	wantProblem(t, local(t, h, http.MethodPost, "/v1/queues/all/dead/1/redrive"), http.StatusNotFound, "not_found", "dead letter")
	wantProblem(t, local(t, h, http.MethodPost, "/v1/queues/all/dead/2/redrive"), http.StatusConflict, "conflict")
}

func TestAllDeadLettersAreRedriven(t *testing.T) {
	t.Parallel()
	redrive := func(q *fakeQueue) *httptest.ResponseRecorder {
		return local(t, newGateway(t, q, setup{}).Handler(), http.MethodPost, "/v1/queues/all/dead/redrive")
	}
	t.Run("but those that cannot be read", func(t *testing.T) {
		t.Parallel()
		q := newFakeQueue(everything())
		all := letters(t, 250)
		all[3].Err = errors.New("version 9")
		q.bury(all)
		wantBody(t, redrive(q), http.StatusOK, `{"redriven":249,"left":1}`+"\n")
	})
	t.Run("so many in one request", func(t *testing.T) {
		t.Parallel()
		q := newFakeQueue(everything())
		q.bury(letters(t, 1201))
		wantBody(t, redrive(q), http.StatusOK, `{"redriven":1000,"left":201}`+"\n")
	})
	t.Run("until the queue is full", func(t *testing.T) {
		t.Parallel()
		q := newFakeQueue(everything())
		q.bury(letters(t, 5))
		q.kept.refuse, q.kept.refuseAfter = queue.ErrFull, 2
		wantBody(t, redrive(q), http.StatusOK, `{"redriven":2,"left":3,"stopped":{"type":"about:blank","title":"Too Many Requests","status":429,`+
			`"code":"queue_full","detail":"the runner's queue is full","retryable":true}}`+"\n")
		wantProblem(t, redrive(q), http.StatusTooManyRequests, "queue_full")
	})
	t.Run("of none", func(t *testing.T) {
		t.Parallel()
		wantBody(t, redrive(newFakeQueue(everything())), http.StatusOK, `{"redriven":0,"left":0}`+"\n")
	})
}

func TestDeadLettersAreDropped(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	q.bury(letters(t, 3))
	h := newGateway(t, q, setup{}).Handler()
	wantBody(t, local(t, h, http.MethodDelete, "/v1/queues/all/dead/2"), http.StatusNoContent, "")
	if len(q.kept.letters) != 2 {
		t.Errorf("%d letters are left", len(q.kept.letters))
	}
	wantProblem(t, local(t, h, http.MethodDelete, "/v1/queues/all/dead/2"), http.StatusNotFound, "not_found")
	// Who forgets the id does not drop all.
	wantProblem(t, local(t, h, http.MethodDelete, "/v1/queues/all/dead/"), http.StatusNotFound, "not_found")
	if len(q.kept.letters) != 2 {
		t.Errorf("%d letters are left", len(q.kept.letters))
	}
	wantBody(t, local(t, h, http.MethodDelete, "/v1/queues/all/dead"), http.StatusNoContent, "")
	if len(q.kept.letters) != 0 {
		t.Errorf("%d letters are left", len(q.kept.letters))
	}
}
