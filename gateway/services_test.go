package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
)

// withAPI makes the handler of a gateway with one API, at /api.
func withAPI[In, Out any](t *testing.T, q *fakeQueue, fn func(context.Context, *gateway.Client, In) (Out, error)) http.Handler {
	t.Helper()
	return newGateway(t, q, setup{services: []gateway.Service{
		{Name: "test", APIs: []gateway.API{gateway.HandleFunc("/api", fn)}},
	}}).Handler()
}

// same answers what it is given.
func same[T any](_ context.Context, _ *gateway.Client, in T) (T, error) { return in, nil }

type point struct {
	X    int    `json:"x"`
	Name string `json:"name,omitempty"`
}

func TestAServiceCallsARunner(t *testing.T) {
	t.Parallel()
	type answer struct {
		IsPositive bool `json:"is_positive"`
	}
	q := newFakeQueue(everything())
	h := withAPI(t, q, func(ctx context.Context, c *gateway.Client, text string) (answer, error) {
		got, err := gateway.Run[string](ctx, c, "all", "text", text)
		return answer{got == "BentoML is great"}, err
	})
	trace := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	w := send(t, h, http.MethodPost, "/api", "BentoML is great", "Content-Type", "application/text", "Traceparent", trace)
	wantBody(t, w, http.StatusOK, `{"is_positive":true}`)
	if call := q.last(t); call.Trace != trace || call.Caller != "192.0.2.1" || call.Rows != 1 {
		t.Errorf("got %+v", call)
	}
}

func TestAServiceTakesAndAnswersWhatItsTypesSay(t *testing.T) {
	t.Parallel()
	const text, octets = "text/plain; charset=utf-8", "application/octet-stream"
	type mood string
	for _, tt := range []struct {
		name                                           string
		handler                                        http.Handler
		contentType, accept, body, want, wantType, why string
	}{
		{name: "text", handler: withAPI(t, newFakeQueue(), same[string]), contentType: "text/plain", body: "hé", want: "hé", wantType: text},
		{name: "application/text", handler: withAPI(t, newFakeQueue(), same[string]), contentType: "application/text", body: "hi", want: "hi", wantType: text},
		{name: "no type", handler: withAPI(t, newFakeQueue(), same[string]), body: "hi", want: "hi", wantType: text},
		{name: "a JSON string", handler: withAPI(t, newFakeQueue(), same[string]), contentType: "application/json", body: `"h\u0069"`, want: "hi", wantType: text},
		{name: "a string as JSON", handler: withAPI(t, newFakeQueue(), same[string]), contentType: "text/plain", accept: "application/json", body: "<hi>", want: `"<hi>"`, wantType: "application/json"},
		{name: "a type of strings", handler: withAPI(t, newFakeQueue(), same[mood]), contentType: "text/plain", body: "good", want: "good", wantType: text},
		{name: "bytes", handler: withAPI(t, newFakeQueue(), same[[]byte]), contentType: "image/png", body: "\x00\xff", want: "\x00\xff", wantType: octets},
		{name: "no bytes", handler: withAPI(t, newFakeQueue(), same[[]byte]), wantType: octets},
		{name: "a struct", handler: withAPI(t, newFakeQueue(), same[point]), contentType: "application/json", body: `{"x": 1}`, want: `{"x":1}`, wantType: "application/json"},
		{name: "a struct without type", handler: withAPI(t, newFakeQueue(), same[point]), body: `{"x":1,"name":"a"}`, want: `{"x":1,"name":"a"}`, wantType: "application/json"},
		{name: "a pointer", handler: withAPI(t, newFakeQueue(), same[*point]), contentType: "application/json", body: `{"x":1}`, want: `{"x":1}`, wantType: "application/json"},
		{name: "a map", handler: withAPI(t, newFakeQueue(), same[map[string]any]), contentType: "application/json", body: `{"a":[1]}`, want: `{"a":[1]}`, wantType: "application/json"},
		{name: "anything", handler: withAPI(t, newFakeQueue(), same[any]), contentType: "application/json", body: `null`, want: `null`, wantType: "application/json"},
		{name: "a document", handler: withAPI(t, newFakeQueue(), same[json.RawMessage]), contentType: "application/json", body: `[1,2]`, want: `[1,2]`, wantType: "application/json"},
		{name: "a number", handler: withAPI(t, newFakeQueue(), same[float64]), contentType: "application/json", body: `1.5`, want: `1.5`, wantType: "application/json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			headers := []string{"Accept", tt.accept}
			if tt.contentType != "" {
				headers = append(headers, "Content-Type", tt.contentType)
			}
			w := send(t, tt.handler, http.MethodPost, "/api", tt.body, headers...)
			wantBody(t, w, http.StatusOK, tt.want)
			if got := w.Header().Get("Content-Type"); got != tt.wantType {
				t.Errorf("content type %q, want %q", got, tt.wantType)
			}
		})
	}
}

func TestAServiceIsNotBotheredWithWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	never := func(context.Context, *gateway.Client, point) (point, error) { panic("called") }
	h := withAPI(t, newFakeQueue(), never)
	for _, tt := range []struct {
		name, contentType, body string
		status                  int
		code, word              string
	}{
		{"an unknown field", "application/json", `{"x":1,"y":2}`, 400, "invalid_input", `"y"`},
		{"another type", "application/json", `{"x":"1"}`, 400, "invalid_input", "x"},
		{"a name twice", "application/json", `{"x":1,"x":2}`, 400, "invalid_input", "twice"},
		{"something behind", "application/json", `{"x":1}{}`, 400, "invalid_input", "follows"},
		{"too deep", "application/json", strings.Repeat("[", 100), 400, "invalid_input", "deeper"},
		{"no UTF-8", "application/json", "{\"name\":\"\xff\"}", 400, "invalid_input", "UTF-8"},
		{"nothing", "application/json", "", 400, "invalid_input", "the body is empty"},
		{"a byte order mark", "application/json", "\ufeff{}", 400, "invalid_input", "byte order mark"},
		{"text", "text/plain", "x", 415, "unsupported_media_type", "application/json"},
		{"what curl sends by itself", "application/x-www-form-urlencoded", "x", 415, "unsupported_media_type", "curl"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			wantProblem(t, send(t, h, http.MethodPost, "/api", tt.body, "Content-Type", tt.contentType), tt.status, tt.code, tt.word)
		})
	}
	wantProblem(t, send(t, h, http.MethodPost, "/api", `{}`, "Accept", "text/plain"), http.StatusNotAcceptable, "not_acceptable", "application/json")
	wantProblem(t, send(t, h, http.MethodGet, "/api", ""), http.StatusMethodNotAllowed, "method_not_allowed")
	text := withAPI(t, newFakeQueue(), same[string])
	wantProblem(t, send(t, text, http.MethodPost, "/api", "\xff", "Content-Type", "text/plain"), http.StatusBadRequest, "invalid_input", "UTF-8")
	wantProblem(t, send(t, text, http.MethodPost, "/api", "x", "Content-Type", "image/png"), http.StatusUnsupportedMediaType, "unsupported_media_type", "text/plain")
	wantProblem(t, send(t, text, http.MethodPost, "/api", "x", "Content-Type", "text/plain; charset=latin-1"), http.StatusUnsupportedMediaType,
		"unsupported_media_type", `charset "latin-1" is not taken, but utf-8 and us-ascii`)
}

func TestErrorsOfAServiceAreProblems(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		err          error
		status       int
		code, detail string
	}{
		{"its own", fmt.Errorf("wrapped: %w", &gateway.Problem{Code: gateway.CodeInvalidInput, Detail: "no such language"}), 400, "invalid_input", "no such language"},
		{"any other", errors.New("secret"), 500, "internal", "internal error"},
		{"the queue's", fmt.Errorf("run: %w", queue.ErrFull), 429, "queue_full", "full"},
		{"the runner's", fmt.Errorf("run: %w", &queue.CallError{Code: queue.CodeRunnerFailed, Message: "it failed"}), 500, "runner_failed", "it failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := withAPI(t, newFakeQueue(), func(context.Context, *gateway.Client, string) (string, error) { return "", tt.err })
			w := send(t, h, http.MethodPost, "/api", "x", "Content-Type", "text/plain")
			wantProblem(t, w, tt.status, tt.code, tt.detail)
			if strings.Contains(w.Body.String(), "secret") {
				t.Errorf("the client is told %s", w.Body)
			}
		})
	}
}

func TestRoutesOfServicesMustBeFreeAndPlain(t *testing.T) {
	t.Parallel()
	api := func(route string) gateway.API { return gateway.HandleFunc(route, same[string]) }
	q := newFakeQueue()
	_, err := gateway.New(gateway.DefaultConfig(), setup{services: []gateway.Service{{Name: "s", APIs: []gateway.API{
		api("/fine"), api("/fine"), api("/v1/runners"), api("/metrics"), api("/docs/x"), api("none"), api("/a/:b"), api("/a/*"), api("/"), api("/a/"),
		api("/a/../b"), gateway.HandleFunc("/channels", same[chan int]), gateway.HandleFunc[string, string]("/nil", nil),
	}}}}.deps(q))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`"/fine": the route is there twice`, `"/v1/runners": the route is one of the gateway's own`, `"/metrics"`, `"/docs/x"`, `"none": want a path`,
		`"/a/:b"`, `"/a/*"`, `"/": `, `"/a/"`, `"/a/../b"`, `"/channels": type chan int`, `"/nil": the function is nil`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}
