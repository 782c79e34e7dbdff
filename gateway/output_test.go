package gateway_test

import (
	"context"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/tensor"
)

func TestResultsComeInTheFormThatAcceptLikesBest(t *testing.T) {
	t.Parallel()
	const jsonType, text, octets, npyType = "application/json", "text/plain; charset=utf-8", "application/octet-stream", "application/x-npy"
	for _, tt := range []struct{ name, method, accept, body, wantType, want string }{
		{"anything", "text", "*/*", `["a"]`, jsonType, `["a"]`},
		{"a browser", "text", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", `["a"]`, jsonType, `["a"]`},
		{"any text", "text", "text/*", `["a"]`, text, "a"},
		{"text before JSON", "text", "application/json;q=0.5, text/plain", `["a"]`, text, "a"},
		{"JSON among equals", "text", "text/plain, application/json", `["a"]`, jsonType, `["a"]`},
		{"text of many rows falls back", "text", "text/plain, application/json;q=0.1", `["a","b"]`, jsonType, `["a","b"]`},
		{"text as octets", "text", "application/octet-stream", `["a"]`, octets, "a"},
		{"a document as octets", "one-document", "application/octet-stream", `{"doc":{"a": 1}}`, octets, `{"a":1}`},
		{"numbers as octets", "rows", "application/octet-stream", `[[1,2]]`, octets, floats(1, 2)},
		{"numbers as .npy", "rows", "application/x-npy", `[[1,2]]`, npyType, npy(t, []int{1, 2}, float32(1), 2)},
		{"no JSON, so the next", "rows", "application/json;q=0, */*", `[[1,2]]`, octets, floats(1, 2)},
		{"several outputs by name", "two", "application/json", `{"x":[1],"text":["a"]}`, jsonType, `{"x":[1],"text":["a"]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newGateway(t, newFakeQueue(everything()), setup{}).Handler()
			w := send(t, h, http.MethodPost, "/v1/runners/all/"+tt.method, tt.body, "Content-Type", jsonType, "Accept", tt.accept)
			wantBody(t, w, http.StatusOK, tt.want)
			if got := w.Header().Get("Content-Type"); got != tt.wantType {
				t.Errorf("content type %q, want %q", got, tt.wantType)
			}
		})
	}
}

func TestAResultThatNobodyCouldReadIsNotComputed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, method, accept, body, offers string }{
		{"an image", "text", "image/png", `["a"]`, "application/json text/plain application/octet-stream application/x-npy"},
		{"text of many rows", "text", "text/plain", `["a","b"]`, "application/json application/x-npy"},
		{"octets of many rows", "files", "application/octet-stream", `["","aGk="]`, "application/json application/x-npy"},
		{"text of numbers", "rows", "text/plain", `[[1,2]]`, "application/json application/octet-stream application/x-npy"},
		{".npy of what numpy has not", "brains", "application/x-npy", `[1]`, "application/json application/octet-stream"},
		{".npy of two outputs", "two", "application/x-npy", `{"x":[1],"text":["a"]}`, "application/json"},
		{"nothing", "text", "*/*;q=0", `["a"]`, "application/json text/plain application/octet-stream application/x-npy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := newFakeQueue(everything())
			h := newGateway(t, q, setup{}).Handler()
			w := send(t, h, http.MethodPost, "/v1/runners/all/"+tt.method, tt.body, "Content-Type", "application/json", "Accept", tt.accept)
			p := wantProblem(t, w, http.StatusNotAcceptable, "not_acceptable")
			if got := strings.Join(p.Offers, " "); got != tt.offers {
				t.Errorf("offers %q, want %q", got, tt.offers)
			}
			if q.queued() > 0 {
				t.Error("it was queued")
			}
		})
	}
}

func TestRawNumbersAreDescribedByHeaders(t *testing.T) {
	t.Parallel()
	h := newGateway(t, newFakeQueue(everything()), setup{}).Handler()
	w := send(t, h, http.MethodPost, "/v1/runners/all/rows", floats(1, 2, 3, 4), "Content-Type", "application/octet-stream", "Accept", "application/octet-stream")
	if d, s := w.Header().Get("Ekiben-Datatype"), w.Header().Get("Ekiben-Shape"); d != "FP32" || s != "2,2" {
		t.Errorf("datatype %q, shape %q", d, s)
	}
}

func TestAnAnswerTellsWhereTheTimeWent(t *testing.T) {
	t.Parallel()
	h := newGateway(t, newFakeQueue(everything()), setup{}).Handler()
	w := send(t, h, http.MethodPost, "/v1/runners/all/text", "a", "Content-Type", "text/plain", "X-Request-Id", "abc-1")
	for name, want := range map[string]string{
		"Server-Timing":          "queue;dur=1.500, batch;dur=0.250, execute;dur=2.000",
		"Ekiben-Batch-Rows":      "7",
		"Content-Length":         "5",
		"Cache-Control":          "no-store",
		"X-Content-Type-Options": "nosniff",
		"X-Request-Id":           "abc-1",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	w = send(t, h, http.MethodPost, "/v1/runners/all/text", "a", "Content-Type", "text/plain", "X-Request-Id", strings.Repeat("x", 200))
	if got := w.Header().Get("X-Request-Id"); got != "" {
		t.Errorf("an id of 200 bytes was repeated: %q", got)
	}
}

// answering makes a queue whose calls end with this.
func answering(outputs ...tensor.Named) *fakeQueue {
	q := newFakeQueue(everything())
	q.do = func(_ context.Context, c queue.Call) (queue.Reply, error) {
		return queue.Reply{ID: c.ID, Outputs: outputs}, nil
	}
	return q
}

func TestAResultThatItsFormCannotHoldNamesAnother(t *testing.T) {
	t.Parallel()
	nan, err := tensor.Of([]int{1, 2}, []float32{float32(math.NaN()), 1})
	if err != nil {
		t.Fatal(err)
	}
	many, err := tensor.OfStrings([]int{2}, []string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	nul, err := tensor.OfStrings([]int{1}, []string{"a\x00"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, method, accept, body string
		output                     tensor.Tensor
		words                      []string
	}{
		{"NaN in JSON", "rows", "", `[[1,2]]`, nan, []string{"NaN", "application/x-npy"}},
		{"more elements than text holds", "text", "text/plain", `["a"]`, many, []string{"2 elements"}},
		{"what numpy would cut", "text", "application/x-npy", `["a"]`, nul, []string{"application/json"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newGateway(t, answering(tensor.Named{Name: "x", Tensor: tt.output}), setup{}).Handler()
			w := send(t, h, http.MethodPost, "/v1/runners/all/"+tt.method, tt.body, "Content-Type", "application/json", "Accept", tt.accept)
			wantProblem(t, w, http.StatusNotAcceptable, "not_acceptable", tt.words...)
		})
	}
}

func TestAnOutputThatTheSpecDoesNotHaveIsOpaque(t *testing.T) {
	t.Parallel()
	out, err := tensor.OfStrings([]int{1}, []string{"hi"})
	if err != nil {
		t.Fatal(err)
	}
	h := newGateway(t, answering(tensor.Named{Name: "new", Tensor: out}), setup{}).Handler()
	w := send(t, h, http.MethodPost, "/v1/runners/all/text", "a", "Content-Type", "text/plain")
	wantBody(t, w, http.StatusOK, `["aGk="]`)
}
