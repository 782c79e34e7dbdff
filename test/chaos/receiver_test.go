package chaos_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/ekiben/ekiben/test/chaos/history"
)

// receiver is told of the ends of jobs: a message about call 7 comes to /7. Until
// it is calm it answers some with 500, some slowly, and some not at all. It is
// safe for concurrent use.
type receiver struct {
	url      string
	secret   string
	verifier *standardwebhooks.Webhook
	record   *history.Recorder

	mu    sync.Mutex
	rand  *rand.Rand   // guarded by mu
	calm  bool         // guarded by mu
	taken map[int]bool // calls of which a sender knows that a message was taken, guarded by mu
}

// listen starts a receiver that ends with the test.
func listen(t *testing.T, record *history.Recorder) *receiver {
	t.Helper()
	r := &receiver{
		record: record, rand: rand.New(rand.NewPCG(*seedFlag, 3)), taken: map[int]bool{},
		secret: "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("c", 32))),
	}
	var err error
	if r.verifier, err = standardwebhooks.NewWebhook(r.secret); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// env has the processes of a cluster tell it.
func (r *receiver) env() []string {
	return []string{"EKIBEN_WEBHOOK_SECRET=" + r.secret, "EKIBEN_WEBHOOK_ALLOW=" + strings.TrimPrefix(r.url, "http://")}
}

// manner is how a message is received.
type manner struct {
	status int // 0: the connection is dropped
	after  time.Duration
}

// manners draws how the next message is received: three in four well.
func (r *receiver) manners() manner {
	r.mu.Lock()
	defer r.mu.Unlock()
	chance := r.rand.IntN(24)
	switch {
	case r.calm || chance >= 6:
		return manner{status: http.StatusOK}
	case chance >= 4:
		return manner{status: http.StatusOK, after: 2 * time.Second}
	case chance >= 2:
		return manner{}
	}
	return manner{status: http.StatusInternalServerError}
}

// ServeHTTP notes a message and answers it.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	call, bad := strconv.Atoi(strings.TrimPrefix(req.URL.Path, "/"))
	if err != nil || bad != nil {
		panic(http.ErrAbortHandler) // a sender that died within its message
	}
	m := r.manners()
	e := history.Event{Kind: history.Told, Call: call, Message: req.Header.Get("Webhook-Id"), Status: m.status}
	var told struct {
		Type string
		Data json.RawMessage
	}
	err = r.verifier.Verify(body, req.Header)
	if err == nil {
		err = json.Unmarshal(body, &told)
	}
	job, unread := readJob(answer{body: string(told.Data)})
	switch {
	case err != nil:
		e.Invalid = err.Error()
	case unread != nil || told.Type != "job."+job.State:
		e.Invalid = string(body)
	}
	e.ID, e.State, e.Finished = job.ID, job.State, job.FinishedAt
	r.record.Add(e)
	pause(req.Context(), m.after)
	if m.status == 0 || req.Context().Err() != nil {
		panic(http.ErrAbortHandler) // also where the sender died: it does not know, and will come again
	}
	r.mu.Lock()
	r.taken[call] = r.taken[call] || m.status == http.StatusOK
	r.mu.Unlock()
	w.WriteHeader(m.status)
}

// calmDown has it receive well from now on.
func (r *receiver) calmDown() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calm = true
}

// missing is how many acknowledged calls it ought to be told of and was not yet.
func (r *receiver) missing(events []history.Event) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, hooked := 0, map[int]bool{}
	for _, e := range events {
		switch e.Kind {
		case history.Submitted:
			hooked[e.Call] = e.Plan.Webhook
		case history.Accepted:
			if hooked[e.Call] && !r.taken[e.Call] {
				n++
			}
		default:
		}
	}
	return n
}
