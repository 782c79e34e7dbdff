package ekiben_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/ekiben/ekiben"
)

// answers is a gateway that says what it is told to.
type answers struct {
	// byRequest are bodies by method and path with query; a body that begins with
	// a status has that. Several are said in turn.
	byRequest map[string][]string

	mu sync.Mutex
	// asked are the requests, with some of their headers. Guarded by mu.
	asked []string
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	name := r.Method + " " + r.URL.RequestURI()
	asked := name
	for _, header := range []string{"Authorization", "Prefer", "Accept", "Ekiben-Timeout", "Ekiben-Start-Within", "Ekiben-Priority", "Idempotency-Key", "Ekiben-Retry", "Ekiben-Delay", "Ekiben-At", "Ekiben-Webhook"} {
		if value := r.Header.Get(header); value != "" {
			asked += " " + header + ": " + value
		}
	}
	a.asked = append(a.asked, asked)
	w.Header().Set("Content-Type", "application/json")
	said := a.byRequest[name]
	if len(said) == 0 {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	if len(said) > 1 {
		a.byRequest[name] = said[1:]
	}
	status, body := http.StatusOK, said[0]
	if _, err := fmt.Sscanf(body, "%3d ", &status); err == nil {
		body = body[4:]
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// command runs a command line against the gateway, and returns all it prints.
func (a *answers) command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	server := httptest.NewServer(a)
	defer server.Close()
	var out bytes.Buffer
	err := ekiben.Execute(t.Context(), &out, &out, append(args, "--url", server.URL)...)
	return out.String(), err
}

// wantCommand fails unless the command prints this, after these requests.
func wantCommand(t *testing.T, a *answers, line, printed string, asked ...string) {
	t.Helper()
	got, err := a.command(t, strings.Fields(line)...)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if strings.TrimSpace(got) != strings.TrimSpace(printed) {
		t.Errorf("%s prints\n%s\nwant\n%s", line, got, printed)
	}
	if strings.Join(a.asked, "\n") != strings.Join(asked, "\n") {
		t.Errorf("%s asks\n%s\nwant\n%s", line, strings.Join(a.asked, "\n"), strings.Join(asked, "\n"))
	}
}

const someJob = `{"id":"all~0~x","client_id":"order","runner":"all","method":"text","state":"queued","priority":"high","rows":2,"attempt":1,` +
	`"created_at":"2026-09-30T12:00:00Z","position":3,"expected_start_seconds":1.25,"urls":{}}`

func TestACallOnTheCommandLineAsksForTimesAndPriority(t *testing.T) {
	t.Parallel()
	a := &answers{byRequest: map[string][]string{"POST /v1/runners/all/text": {`["a"]`}}}
	wantCommand(t, a, "call all text --text a --timeout 1.5s --start-within 1 --priority low --idempotency-key k", `["a"]`,
		"POST /v1/runners/all/text Ekiben-Timeout: 1.5s Ekiben-Start-Within: 1 Ekiben-Priority: low Idempotency-Key: k")
	later := &answers{byRequest: map[string][]string{"POST /v1/runners/all/text": {`202 {"id":"x"}`, `202 {"id":"x"}`}}}
	wantCommand(t, later, "call all text --text a --retry 5 --delay 10m --webhook https://example.com/h", `{"id":"x"}`,
		"POST /v1/runners/all/text Ekiben-Retry: 5 Ekiben-Delay: 10m Ekiben-Webhook: https://example.com/h")
}

func TestJobsOnTheCommandLine(t *testing.T) {
	t.Parallel()
	const table = `
id         all~0~x
client id  order
runner     all
method     text
state      queued
priority   high
rows       2
attempt    1
position   3
starts in  about 1.2s
created    2026-09-30T12:00:00Z`
	for _, tt := range []struct{ line, request, answer, printed string }{
		{"jobs show all~0~x", "GET /v1/jobs/all~0~x", someJob, table},
		{"jobs cancel order", "DELETE /v1/jobs/order", someJob, table},
		{"jobs retry a/b", "POST /v1/jobs/a%2Fb/retry", "202 " + someJob, table},
		{"jobs show x -o yaml", "GET /v1/jobs/x", `{"id":"x","position":3}`, "id: x\nposition: 3"},
		{"jobs show x -o json", "GET /v1/jobs/x", `{"id":"x","position":3}`, "{\n  \"id\": \"x\",\n  \"position\": 3\n}"},
		{"jobs show x", "GET /v1/jobs/x", `{"id":"x","error":{"code":"runner_failed","message":"it\u001b[2J failed"}}`, "id       x\nattempt  0\nerror    it [2J failed (runner_failed)"},
		{
			"jobs list --state queued --limit 2", "GET /v1/jobs?limit=2&state=queued", `{"jobs":[` + someJob + `],"next":"abc"}`,
			"ID       RUNNER  METHOD  STATE   PRIORITY  CREATED               FINISHED\n" +
				"all~0~x  all     text    queued  high      2026-09-30T12:00:00Z  \nThere is more: --cursor abc",
		},
		{
			"jobs show tried", "GET /v1/jobs/tried", `{"id":"x","attempt":1,"retries_left":2,"run_at":"2026-09-30T12:01:00Z",` +
				`"attempts":[{"at":"2026-09-30T12:00:00Z","error":{"code":"worker_lost","message":"lost"}}],` +
				`"webhook":{"url":"https://example.com/h","state":"pending","deliveries":2,"status":503,"at":"2026-09-30T12:00:30Z"}}`,
			"id                  x\nattempt             1\nretries left        2\nqueued at           2026-09-30T12:01:00Z\n" +
				"attempt 0           2026-09-30T12:00:00Z lost (worker_lost)\n" +
				"webhook             https://example.com/h\nwebhook state       pending\nwebhook deliveries  2\n" +
				"webhook status      503\nwebhook tried       2026-09-30T12:00:30Z",
		},
		{"jobs list", "GET /v1/jobs", `{"jobs":[]}`, "ID  RUNNER  METHOD  STATE  PRIORITY  CREATED  FINISHED"},
		{"jobs result x", "GET /v1/jobs/x/result", `["a"]`, `["a"]`},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			wantCommand(t, &answers{byRequest: map[string][]string{tt.request: {tt.answer}}}, tt.line, tt.printed, tt.request)
		})
	}
}

func TestAResultIsWaitedForOnlyIfThatIsAskedFor(t *testing.T) {
	t.Parallel()
	a := &answers{byRequest: map[string][]string{"GET /v1/jobs/x/result": {"202 " + someJob}}}
	if out, err := a.command(t, "jobs", "result", "x"); err == nil || !strings.Contains(err.Error(), "--wait") || out != "" {
		t.Errorf("got %q, %v", out, err)
	}
	const waits = "GET /v1/jobs/x/result Prefer: wait=60 Accept: text/plain"
	a = &answers{byRequest: map[string][]string{"GET /v1/jobs/x/result": {"202 " + someJob, "202 " + someJob, `"a"`}}}
	wantCommand(t, a, "jobs result x --wait 10m --accept text/plain", `"a"`, waits, waits, waits)
}

func TestAProblemIsAnErrorOfTheCommand(t *testing.T) {
	t.Parallel()
	a := &answers{byRequest: map[string][]string{"POST /v1/jobs/x/retry": {`409 {"title":"Conflict","code":"conflict","detail":"it has not ended"}`}}}
	if _, err := a.command(t, "jobs", "retry", "x"); err == nil || err.Error() != "it has not ended (conflict)" {
		t.Errorf("got %v", err)
	}
}

func TestTheTypesOfAMethodOnTheCommandLine(t *testing.T) {
	t.Parallel()
	const runner = `{"name":"all","methods":[` +
		`{"name":"predict","batchable":true,"max_batch_size":8,"max_latency_ms":5,"inputs":[` +
		`{"name":"x","datatype":"ANY","shape":null,"content":"json"},{"name":"label","datatype":"BYTES","shape":[-1],"content":"text","optional":true}],"outputs":null},` +
		`{"name":"score","inputs":[{"name":"x","datatype":"FP32","shape":[2]}],"outputs":[{"name":"result","datatype":"FP32","shape":[]}]}]}`
	const table = `
METHOD   INPUTS                                OUTPUTS        BATCH         MAX LATENCY
predict  x ANY; label BYTES[-1] text optional  result ANY     up to 8 rows  5ms
score    x FP32[2]                             result FP32[]  no`
	a := &answers{byRequest: map[string][]string{"GET /v1/runners/all": {runner}}}
	wantCommand(t, a, "runners show all", table, "GET /v1/runners/all")
}

const someQueue = `{"runner":"all","gate":"paused","degraded":true,"depth":9,"waiting":6,"bytes":800,"oldest_seconds":2.5,` +
	`"lanes":{"high":{"calls":1,"rows":2,"oldest_seconds":1},"normal":{"calls":2,"rows":2,"oldest_seconds":0},"low":{"calls":3,"rows":3,"oldest_seconds":2.5}},` +
	`"callers":3,"workers":2,"result_bytes":12,"dead_letters":4,"limits":{}}`

func TestQueuesOnTheCommandLine(t *testing.T) {
	t.Parallel()
	const table = `
runner        all
state         paused, degraded
depth         9
waiting       6
high          1 calls, 2 rows, oldest 1.0s
normal        2 calls, 2 rows, oldest 0.0s
low           3 calls, 3 rows, oldest 2.5s
bytes         800
result bytes  12
callers       3
workers       2
dead letters  4`
	for _, tt := range []struct{ line, request, answer, printed string }{
		{
			"queues list", "GET /v1/queues", `{"queues":[` + someQueue + `]}`,
			"RUNNER  STATE             DEPTH  HIGH  NORMAL  LOW  OLDEST  CALLERS  WORKERS  DEAD\n" +
				"all     paused, degraded  9      1     2       3    2.5s    3        2        4",
		},
		{"queues show all", "GET /v1/queues/all", someQueue, table},
		{"queues pause all", "POST /v1/queues/all/pause", someQueue, table},
		{"queues resume all", "POST /v1/queues/all/resume", someQueue, table},
		{"queues drain all -o json", "POST /v1/queues/all/drain", `{"gate":"draining"}`, "{\n  \"gate\": \"draining\"\n}"},
		{
			"queues dead list all --limit 1", "GET /v1/queues/all/dead?limit=1",
			`{"dead_letters":[{"id":"1-0","method":"text","rows":2,"died_at":"2026-09-30T12:00:00Z","reason":"crashed\n"}],"next":"1-0"}`,
			"ID   METHOD  ROWS  DIED                  REASON\n1-0  text    2     2026-09-30T12:00:00Z  crashed \nThere is more: --cursor 1-0",
		},
		{
			"queues dead show all 1-0", "GET /v1/queues/all/dead/1-0",
			`{"id":"1-0","reason":"crashed","method":"two","rows":2,"attempt":0,"redrivable":true,"inputs":[` +
				`{"name":"x","datatype":"FP32","shape":[2,2],"bytes":16,"value":[[1,2],[3,4]]},{"name":"y","datatype":"BYTES","shape":[1],"bytes":99999}]}`,
			"id          1-0\nreason      crashed\nmethod      two\nrows        2\nattempt     0\nredrivable  true\n" +
				"input x     FP32[2,2], 16 bytes: [[1,2],[3,4]]\ninput y     BYTES[1], 99999 bytes: not shown",
		},
		{"queues dead redrive all 1-0 -o json", "POST /v1/queues/all/dead/1-0/redrive", `202 {"id":"x"}`, "{\n  \"id\": \"x\"\n}"},
		{"queues dead drop all 1-0", "DELETE /v1/queues/all/dead/1-0", "204 ", ""},
		{"queues dead drop all --all", "DELETE /v1/queues/all/dead", "204 ", ""},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			wantCommand(t, &answers{byRequest: map[string][]string{tt.request: {tt.answer}}}, tt.line, tt.printed, tt.request)
		})
	}
}

func TestWhatChangesAQueueHasTheAdminToken(t *testing.T) {
	t.Setenv("EKIBEN_ADMIN_TOKEN", "sesame")
	const bearer = " Authorization: Bearer sesame"
	for line, request := range map[string]string{
		"queues pause all -o json":              "POST /v1/queues/all/pause",
		"queues dead redrive all 1 -o json":     "POST /v1/queues/all/dead/1/redrive",
		"queues dead redrive all --all -o json": "POST /v1/queues/all/dead/redrive",
		"queues dead drop all --all":            "DELETE /v1/queues/all/dead",
	} {
		a := &answers{byRequest: map[string][]string{request: {"{}"}}}
		if _, err := a.command(t, strings.Fields(line)...); err != nil || len(a.asked) != 1 || a.asked[0] != request+bearer {
			t.Errorf("%s: asks %v: %v", line, a.asked, err)
		}
	}
	// The token goes nowhere else.
	a := &answers{byRequest: map[string][]string{"GET /v1/queues/all": {someQueue}}}
	if _, err := a.command(t, "queues", "show", "all"); err != nil || a.asked[0] != "GET /v1/queues/all" {
		t.Errorf("asks %v: %v", a.asked, err)
	}
}

func TestAllDeadLettersAreRedrivenInSeveralRequests(t *testing.T) {
	t.Parallel()
	const request = "POST /v1/queues/all/dead/redrive"
	for _, tt := range []struct {
		name     string
		said     []string
		printed  string
		requests int
	}{
		{"until none is left", []string{`{"redriven":1000,"left":500}`, `{"redriven":500,"left":0}`}, "redriven  1500\nleft      0", 2},
		{"until those of the beginning were", []string{`{"redriven":1000,"left":500}`, `{"redriven":900,"left":600}`}, "redriven  1900\nleft      600", 2},
		{"until none can be", []string{`{"redriven":0,"left":5}`}, "redriven  0\nleft      5", 1},
		{
			"until the queue is full",
			[]string{`{"redriven":9,"left":5,"stopped":{"code":"queue_full","detail":"the runner's queue is full"}}`},
			"redriven  9\nleft      5\nstopped   the runner's queue is full (queue_full)", 1,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			asked := make([]string, tt.requests)
			for i := range asked {
				asked[i] = request
			}
			wantCommand(t, &answers{byRequest: map[string][]string{request: tt.said}}, "queues dead redrive all --all", tt.printed, asked...)
		})
	}
}

func TestNobodyMeansOneDeadLetterAndGetsAll(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"queues dead drop all", "queues dead drop all 1 --all", "queues dead redrive all", "queues dead redrive all 1 --all"} {
		a := &answers{}
		if _, err := a.command(t, strings.Fields(line)...); err == nil || !strings.Contains(err.Error(), "--all") || len(a.asked) > 0 {
			t.Errorf("%s: asks %v: %v", line, a.asked, err)
		}
	}
}
