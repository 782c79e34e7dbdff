package gateway_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// floats are little-endian FP32.
func floats(values ...float32) string {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return string(b)
}

// npy is a .npy file.
func npy[T tensor.Element](t *testing.T, shape []int, values ...T) string {
	t.Helper()
	made, err := tensor.Of(shape, values)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := tensor.AppendNPY(nil, made)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestArgumentsComeInEveryFormThatFitsTheMethod(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, method, contentType, body, want string }{
		{"arguments by name", "two", "application/json", `{"x":[1,2],"text":["a","b"]}`, `{"x":[1,2],"text":["a","b"]}`},
		{"arguments by position", "two", "application/json", " [ [1,2] , [\"a\",\"b\"] ] ", `{"x":[1,2],"text":["a","b"]}`},
		{"in any order, with space", "two", "application/json", " {\n\"text\" : [\"}\\\"{\"] ,\"x\":\t[ 1 ] } ", `{"x":[1],"text":["}\"{"]}`},
		{"names with escapes", "text", "application/json", `{"input\u005ftext":["a"]}`, `["a"]`},
		{"the only argument", "text", "application/json", `["a","b"]`, `["a","b"]`},
		{"a media type that is JSON", "text", "application/vnd.x+json", `["a"]`, `["a"]`},
		{"parameters of the type", "text", "Application/JSON; charset=utf-8", `["a"]`, `["a"]`},
		{"a scalar", "one-text", "application/json", `"a"`, `"a"`},
		{"numbers, nested", "rows", "application/json", `[[1,2],[3,4.5]]`, `[[1,2],[3,4.5]]`},
		{"numbers, flat", "rows", "application/json", `{"x":[1,2,3,4]}`, `[[1,2],[3,4]]`},
		{"documents", "documents", "application/json", `{"doc":[{"a":[1]},null,"x"]}`, `[{"a":[1]},null,"x"]`},
		{"one document", "one-document", "application/json", `{"doc":{"a":1}}`, `{"a":1}`},
		{"one document that is no object", "one-document", "application/json", `[1,2]`, `[1,2]`},
		{"base64", "files", "application/json", `["AP8="]`, `["AP8="]`},
		{"text is one row", "text", "text/plain; charset=UTF-8", "héllo", `["héllo"]`},
		{"application/text too", "text", "application/text", "BentoML is great", `["BentoML is great"]`},
		{"text for a scalar", "one-text", "text/csv", "a,b", `"a,b"`},
		{"no text at all", "text", "text/plain", "", `[""]`},
		{"an image for opaque bytes", "files", "image/png", "hi", `["aGk="]`},
		{"text for opaque bytes", "files", "text/plain", "hi", `["aGk="]`},
		{"octets are one row", "files", "application/octet-stream", "\x00\xff", `["AP8="]`},
		{"octets that are text", "text", "application/octet-stream", "hi", `["hi"]`},
		{"octets that are a document", "one-document", "application/octet-stream", `{"a":1}`, `{"a":1}`},
		{"no type is octets", "files", "", "hi", `["aGk="]`},
		{"raw numbers", "rows", "application/octet-stream", floats(1, 2, 3, 4), `[[1,2],[3,4]]`},
		{"a .npy file", "rows", "application/x-npy", npy(t, []int{1, 2}, float32(1), 2), `[[1,2]]`},
		{"its other type", "vectors", "application/vnd.numpy", npy(t, []int{2, 1}, 1.5, 2), `[[1.5],[2]]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newGateway(t, newFakeQueue(everything()), setup{}).Handler()
			w := send(t, h, http.MethodPost, "/v1/runners/all/"+tt.method, tt.body, "Content-Type", tt.contentType)
			wantBody(t, w, http.StatusOK, tt.want)
		})
	}
}

func TestArgumentsThatDoNotFitAreRefusedBeforeAnythingIsQueued(t *testing.T) {
	t.Parallel()
	const json, octets = "application/json", "application/octet-stream"
	for _, tt := range []struct {
		name, method, contentType, body string
		status                          int
		code                            string
		words                           []string
	}{
		{"a name that is not there", "text", json, `{"inputs":["a"]}`, 400, "invalid_input", []string{`"inputs"`, "input_text"}},
		{"an argument is missing", "two", json, `{"x":[1]}`, 400, "invalid_input", []string{`"text" is missing`}},
		{"all are missing", "text", json, `{}`, 400, "invalid_input", []string{`"input_text" is missing`}},
		{"a name twice", "text", json, `{"input_text":["a"],"input_text":["b"]}`, 400, "invalid_input", []string{`"input_text"`, "twice"}},
		{"a name twice, escaped", "text", json, `{"input_text":["a"],"input\u005ftext":["b"]}`, 400, "invalid_input", []string{"twice"}},
		{"a name twice in a document", "documents", json, `{"doc":[{"a":1,"a":2}]}`, 400, "invalid_input", []string{`"a"`, "twice"}},
		{"no object for two arguments", "two", json, `1`, 400, "invalid_input", []string{"x (INT32 [-1])", "text"}},
		{"too few by position", "two", json, `[[1]]`, 400, "invalid_input", []string{`"text" is missing`}},
		{"none by position", "two", json, `[]`, 400, "invalid_input", []string{`"x" is missing`}},
		{"too many by position", "two", json, `[[1],["a"],2]`, 400, "invalid_input", []string{"more than 2 arguments", "x (INT32 [-1])"}},
		{"the wrong one by position", "two", json, `[["a"],[1]]`, 400, "invalid_input", []string{`"x"`}},
		{"a last comma by position", "two", json, `[[1],]`, 400, "invalid_input", []string{"unexpected ]"}},
		{"an open array of arguments", "two", json, `[[1],["a"]`, 400, "invalid_input", []string{"end of the array"}},
		{"something behind by position", "two", json, `[[1],["a"]] 1`, 400, "invalid_input", []string{"something follows the array"}},
		{"another type", "text", json, `{"input_text":[1]}`, 400, "invalid_input", []string{`"input_text"`}},
		{"no batch dimension", "text", json, `{"input_text":"a"}`, 400, "invalid_input", []string{"dimension 0"}},
		{"no rows", "text", json, `[]`, 400, "invalid_input", []string{"no rows"}},
		{"rows that differ", "two", json, `{"x":[1],"text":["a","b"]}`, 400, "invalid_input", []string{"1 rows", "has 2"}},
		{"out of range", "two", json, `{"x":[3000000000],"text":["a"]}`, 400, "invalid_input", []string{"INT32"}},
		{"broken JSON", "text", json, `{"input_text":["a"]`, 400, "invalid_input", []string{"end of the object"}},
		{"an open array", "text", json, `{"input_text":["a"`, 400, "invalid_input", []string{"ends within a value"}},
		{"an open string", "text", json, `{"input_text":["a`, 400, "invalid_input", []string{"ends within a string"}},
		{"no colon", "text", json, `{"input_text"}`, 400, "invalid_input", []string{"colon"}},
		{"no name", "text", json, `{1:2}`, 400, "invalid_input", []string{"name"}},
		{"a last comma", "text", json, `{"input_text":["a"],}`, 400, "invalid_input", []string{"name"}},
		{"a closing too many", "text", json, `{"input_text":["a"]]}`, 400, "invalid_input", []string{"comma or the end"}},
		{"brackets that do not match", "text", json, `{"input_text":["a"}}`, 400, "invalid_input", []string{"unexpected }"}},
		{"something behind", "text", json, `{"input_text":["a"]} {}`, 400, "invalid_input", []string{"follows"}},
		{"something behind a value", "text", json, `["a"] 1`, 400, "invalid_input", []string{"follows"}},
		{"nothing", "text", json, ``, 400, "invalid_input", []string{"the body is empty"}},
		{"nothing but space", "two", json, " \n", 400, "invalid_input", []string{"the body is empty"}},
		{"a byte order mark", "text", json, "\ufeff[\"a\"]", 400, "invalid_input", []string{"the body begins with a byte order mark; send it without"}},
		{"too deep", "documents", json, `{"doc":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, 400, "invalid_input", []string{"deeper than 32"}},
		{"very deep", "documents", json, strings.Repeat(`{"doc":`, 100_000), 400, "invalid_input", []string{"deeper than 32"}},
		{"bytes that are no text", "text", "text/plain", "\xff", 400, "invalid_input", []string{"UTF-8"}},
		{"octets that are no text", "text", octets, "\xff", 400, "invalid_input", []string{"UTF-8"}},
		{"octets that are no document", "one-document", octets, "{", 400, "invalid_input", []string{"JSON"}},
		{"JSON that is no UTF-8", "text", json, "[\"\xff\"]", 400, "invalid_input", []string{"UTF-8"}},
		{"half a number", "rows", octets, "abc", 400, "invalid_input", []string{"3 bytes", "8 bytes", "FP32 [-1,2]"}},
		{"no numbers", "rows", octets, "", 400, "invalid_input", []string{"no rows"}},
		{"no .npy file", "rows", "application/x-npy", "abc", 400, "invalid_input", []string{".npy"}},
		{".npy of another type", "rows", "application/x-npy", npy(t, []int{1, 2}, int64(1), 2), 400, "invalid_input", []string{"INT64", "FP32", ".astype('float32')"}},
		{"numpy's usual type", "rows", "application/x-npy", npy(t, []int{1, 2}, 1.5, 2), 400, "invalid_input", []string{`"x" has data type FP64, want FP32: save it with .astype('float32')`}},
		{"integers for doubles", "vectors", "application/x-npy", npy(t, []int{1, 1}, int32(1)), 400, "invalid_input", []string{".astype('float64')"}},
		{".npy for what numpy does not have", "brains", "application/x-npy", npy(t, []int{1}, 1.5), 400, "invalid_input", []string{"has data type FP64, want BF16"}},
		{".npy of another shape", "rows", "application/x-npy", npy(t, []int{1, 3}, float32(1), 2, 3), 400, "invalid_input", []string{"[1,3]"}},
		{"a shape of nothing but rows", "vectors", "application/x-npy", npy[float64](t, []int{1 << 40, 0}), 413, "too_large", []string{"1099511627776 rows"}},
		{"raw numbers of two free dimensions", "vectors", octets, "", 415, "unsupported_media_type", nil},
		{"text for numbers", "rows", "text/plain", "1", 415, "unsupported_media_type", []string{"application/x-npy"}},
		{"text for a document", "one-document", "text/plain", "{}", 415, "unsupported_media_type", nil},
		{"text for two arguments", "two", "text/plain", "1", 415, "unsupported_media_type", []string{"application/json"}},
		{"no type for two arguments", "two", "", "1", 415, "unsupported_media_type", []string{"none"}},
		{"text in another charset", "text", "text/plain; charset=latin1", "a", 415, "unsupported_media_type", []string{`charset "latin1"`, "utf-8 and us-ascii"}},
		{"another charset where text is not taken", "rows", "text/plain; charset=latin1", "1", 415, "unsupported_media_type", []string{"a body of type", "application/x-npy"}},
		{"a type that is not taken, with a charset", "text", "image/x; charset=latin1", "1", 415, "unsupported_media_type", []string{"a body of type \"image/x\""}},
		{"an image where numbers are wanted", "rows", "image/png", "1", 415, "unsupported_media_type", []string{"image/png"}},
		{"what curl sends by itself", "text", "application/x-www-form-urlencoded", "a", 415, "unsupported_media_type", []string{"curl", "-H"}},
		{"a type that is none", "text", "rub bish", "a", 415, "unsupported_media_type", []string{"rub bish"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := newFakeQueue(everything())
			h := newGateway(t, q, setup{}).Handler()
			w := send(t, h, http.MethodPost, "/v1/runners/all/"+tt.method, tt.body, "Content-Type", tt.contentType)
			wantProblem(t, w, tt.status, tt.code, tt.words...)
			if q.queued() > 0 {
				t.Error("it was queued")
			}
			if len(w.Body.Bytes()) > 2000 {
				t.Errorf("the problem has %d bytes", w.Body.Len())
			}
		})
	}
}

func TestAnUnsupportedTypeIsAnsweredWithThoseThatAreTaken(t *testing.T) {
	t.Parallel()
	h := newGateway(t, newFakeQueue(everything()), setup{}).Handler()
	w := send(t, h, http.MethodPost, "/v1/runners/all/rows", "x", "Content-Type", "image/png")
	p := wantProblem(t, w, http.StatusUnsupportedMediaType, "unsupported_media_type")
	want := "application/json application/octet-stream application/x-npy"
	if got := strings.Join(p.Accepts, " "); got != want {
		t.Errorf("accepts %q, want %q", got, want)
	}
	if got := strings.Join(w.Header()["Accept-Post"], " "); got != want {
		t.Errorf("Accept-Post %q, want %q", got, want)
	}
}

func TestACallBeyondTheQueueWillNeverFit(t *testing.T) {
	t.Parallel()
	s := everything()
	s.MaxQueueBytes = 1000
	h := newGateway(t, newFakeQueue(s), setup{}).Handler()
	w := send(t, h, http.MethodPost, "/v1/runners/all/files", strings.Repeat("x", 1000), "Content-Type", "application/octet-stream")
	wantProblem(t, w, http.StatusRequestEntityTooLarge, "too_large", "1000")
}

func TestTheCallSaysWhatTheQueueMustKnow(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	h := newGateway(t, q, setup{}).Handler()
	trace := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	send(t, h, http.MethodPost, "/v1/runners/all/two", `{"text":["a","b"],"x":[1,2]}`, "Content-Type", "application/json", "Traceparent", trace)
	call := q.last(t)
	if call.Runner != "all" || call.Method != "two" || call.Rows != 2 || call.Timeout != gateway.DefaultConfig().Timeout {
		t.Errorf("got %+v", call)
	}
	if !strings.HasPrefix(call.ID, "all~0~") || call.Caller != "192.0.2.1" || call.Trace != trace || call.Lane != 0 {
		t.Errorf("got %+v", call)
	}
	if call.Inputs[0].Name != "x" || call.Inputs[1].Name != "text" {
		t.Errorf("inputs are not in the order of the signature: %+v", call.Inputs)
	}
	if a := call.Admission; a.MaxCalls != 100 || a.MaxBytes != 1<<20 || !a.NeedWorker {
		t.Errorf("admission %+v", a)
	}
	sig, _ := everything().Method("two")
	if want := runnables.Group(sig.Signature, []tensor.Tensor{call.Inputs[0].Tensor, call.Inputs[1].Tensor}); call.Group != want {
		t.Errorf("group %q, want %q", call.Group, want)
	}
	send(t, h, http.MethodPost, "/v1/runners/all/text", "a", "Content-Type", "text/plain", "Traceparent", "00-xyz")
	if call := q.last(t); call.Trace != "" {
		t.Errorf("a malformed trace was passed on: %q", call.Trace)
	}
}

func TestARunnerThatStartsFromZeroNeedsNoWorker(t *testing.T) {
	t.Parallel()
	s := everything()
	s.FromZero = true
	q := newFakeQueue(s)
	h := newGateway(t, q, setup{}).Handler()
	send(t, h, http.MethodPost, "/v1/runners/all/text", "a", "Content-Type", "text/plain")
	if q.last(t).Admission.NeedWorker {
		t.Error("it was asked for")
	}
}

func FuzzJSONArgumentsAreRefusedOrFitTheMethod(f *testing.F) {
	for _, seed := range []string{
		`{"x":[1,2],"text":["a","b"]}`, `{"x":[1]`, `[[[`, `{"text":["\ud800"],"x":[1]}`, `{"x":[1],"x":[2]}`, `{"x\u0000":1}`, ` "`, `{"a":{"b":[{"c":1}]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		q := newFakeQueue(everything())
		h := newGateway(t, q, setup{}).Handler()
		for _, method := range []string{"two", "documents", "vectors"} {
			w := send(t, h, http.MethodPost, "/v1/runners/all/"+method, string(body), "Content-Type", "application/json")
			switch w.Code {
			case http.StatusOK:
				if call := q.last(t); call.Rows < 1 {
					t.Errorf("%q: %d rows", body, call.Rows)
				}
			case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
				wantProblem(t, w, w.Code, map[int]string{400: "invalid_input", 413: "too_large"}[w.Code])
			default:
				t.Errorf("%q: %d %s", body, w.Code, w.Body)
			}
		}
	})
}

func FuzzWalkAcceptsWhatGoDoesUnlessDeepOrTwice(f *testing.F) {
	for _, seed := range []string{`{"a":1,"b":{"a":[1,{"c":null}]}}`, `"\""`, `[1,2`, `{"a":1,"a":2}`, "1 2", `}`, `{]}`, `tru`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		err := gateway.CheckJSON(raw)
		if err == nil || !isJSON(raw) {
			return
		}
		if s := err.Error(); !strings.Contains(s, "deeper") && !strings.Contains(s, "twice") {
			t.Errorf("%q: %v", raw, err)
		}
	})
}

func isJSON(raw []byte) bool { return json.Valid(raw) }
