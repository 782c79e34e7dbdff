package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// undeclared makes a method that has not declared what it answers.
func undeclared(name string, batchable bool, values ...runnables.ValueSpec) runnables.Signature {
	return runnables.Signature{Name: name, Batchable: batchable, Inputs: values}
}

func optional(v runnables.ValueSpec) runnables.ValueSpec {
	v.Optional = true
	return v
}

// anything is a runner whose callers decide on types.
func anything() runnables.Spec {
	x := value("x", tensor.Any, runnables.JSON)
	return spec(
		"any",
		undeclared("rows", true, x),
		undeclared("one", false, x),
		undeclared("numbers", true, value("x", tensor.Any, "")),
		undeclared("pair", true, x, value("y", tensor.Any, runnables.JSON)),
		undeclared("scaled", true, x, optional(value("scale", tensor.Any, runnables.JSON)), optional(value("label", tensor.Bytes, runnables.Text, -1))),
		undeclared("nothing", true, optional(x), optional(value("y", tensor.FP32, "", -1))),
		echoes("declared", true, x),
		undeclared("version", false),
		undeclared("maybe", false, optional(x)),
	)
}

// anyQueue answers calls of [anything] with their inputs.
func anyQueue() *fakeQueue {
	q := newFakeQueue(anything())
	q.do = func(_ context.Context, c queue.Call) (queue.Reply, error) {
		m, _ := anything().Method(c.Method)
		outputs := make([]tensor.Named, len(c.Inputs))
		for i, name := range runnables.OutputNames(m.Signature, len(c.Inputs)) {
			outputs[i] = tensor.Named{Name: name, Tensor: c.Inputs[i].Tensor}
		}
		return queue.Reply{ID: c.ID, Outputs: outputs}, nil
	}
	return q
}

// types describes the arguments of a call.
func types(c queue.Call) string {
	all := make([]string, len(c.Inputs))
	for i, in := range c.Inputs {
		all[i] = fmt.Sprintf("%s %s %v", in.Name, in.Tensor.DType(), in.Tensor.Shape())
	}
	return strings.Join(all, ", ")
}

func TestTheCallerDecidesOnTheTypeOfAnArgument(t *testing.T) {
	t.Parallel()
	const jsonType, npyType = "application/json", "application/x-npy"
	for _, tt := range []struct{ name, method, contentType, body, types, want string }{
		{"integers", "rows", jsonType, `[1,2,3]`, "x INT64 [3]", `[1,2,3]`},
		{"numbers by name", "rows", jsonType, `{"x":[[1,2.5],[3,4]]}`, "x FP64 [2 2]", `[[1,2.5],[3,4]]`},
		{"booleans", "rows", jsonType, `[true]`, "x BOOL [1]", `[true]`},
		{"texts", "rows", jsonType, `["a", "b"]`, "x BYTES [2]", `["a","b"]`},
		{"documents", "rows", jsonType, `[{"a": 1.0}, null]`, "x BYTES [2]", `[{"a":1.0},null]`},
		{"lists of different lengths", "rows", jsonType, `[[1],[2,3]]`, "x BYTES [2]", `[[1],[2,3]]`},
		{"large integers", "rows", jsonType, `[18446744073709551616]`, "x BYTES [1]", `[18446744073709551616]`},
		{"one number", "one", jsonType, `7`, "x INT64 []", `7`},
		{"one text", "one", jsonType, `"a"`, "x BYTES []", `"a"`},
		{"one document", "one", jsonType, `{"x":{"a":[]}}`, "x BYTES []", `{"a":[]}`},
		{"one list of texts", "one", jsonType, `["a","b"]`, "x BYTES []", `["a","b"]`},
		{"numbers where nothing else is taken", "numbers", jsonType, `[[1.5]]`, "x FP64 [1 1]", `[[1.5]]`},
		{"text is one row", "rows", "text/plain", "say \"hé\"\n", "x BYTES [1]", `["say \"hé\"\n"]`},
		{"text where there are no rows", "one", "text/plain", "<a>", "x BYTES []", `"<a>"`},
		{"no text", "one", "text/plain", "", "x BYTES []", `""`},
		{".npy has its own type", "rows", npyType, npy(t, []int{2, 1}, uint8(1), 2), "x UINT8 [2 1]", `[[1],[2]]`},
		{".npy of strings", "rows", npyType, strings.Replace(npy(t, []int{2}, uint8('a'), 'b'), "|u1", "|S1", 1), "x BYTES [2]", `["a","b"]`},
		{"optional arguments are left out", "scaled", jsonType, `{"x":[1]}`, "x INT64 [1]", `[1]`},
		{"one of them is", "scaled", jsonType, `{"scale":[2.5],"x":[1]}`, "x INT64 [1], scale FP64 [1]", `{"result_0":[1],"result_1":[2.5]}`},
		{"the only one that is needed needs no name", "scaled", jsonType, `[1.5,2]`, "x FP64 [2]", `[1.5,2]`},
		{"nor when it is text", "scaled", "text/plain", `a`, "x BYTES [1]", `["a"]`},
		{"all but one are left out", "nothing", jsonType, `{"y":[1,2]}`, "y FP32 [2]", `[1,2]`},
		{"outputs that are declared", "declared", jsonType, `[{"a":1}]`, "x BYTES [1]", `[{"a":1}]`},
		{"no argument", "version", jsonType, `{}`, "", `{}`},
		{"no argument and no body", "version", "", "", "", `{}`},
		{"no body for a document", "version", jsonType, "", "", `{}`},
		{"no body for an optional argument", "maybe", jsonType, "", "", `{}`},
		{"neither body nor type for it", "maybe", "", "", "", `{}`},
		{"no text for it is a text", "maybe", "text/plain", "", "x BYTES []", `""`},
		{"several outputs", "pair", jsonType, `{"x":[1],"y":["a"]}`, "x INT64 [1], y BYTES [1]", `{"result_0":[1],"result_1":["a"]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := anyQueue()
			w := send(t, newGateway(t, q, setup{}).Handler(), http.MethodPost, "/v1/runners/any/"+tt.method, tt.body, "Content-Type", tt.contentType)
			wantBody(t, w, http.StatusOK, tt.want)
			if got := types(q.last(t)); got != tt.types {
				t.Errorf("got %s, want %s", got, tt.types)
			}
		})
	}
}

func TestArgumentsOfAnyTypeThatDoNotFitAreRefused(t *testing.T) {
	t.Parallel()
	const jsonType, octets = "application/json", "application/octet-stream"
	for _, tt := range []struct {
		name, method, contentType, body string
		status                          int
		words                           []string
	}{
		{"no rows", "rows", jsonType, `7`, 400, []string{`argument "x"`, "want an array, whose elements are the rows, got a number"}},
		{"a document in place of rows", "rows", jsonType, `{"x":{"a":1}}`, 400, []string{"want an array, whose elements are the rows, got an object"}},
		{"an empty array", "rows", jsonType, `[]`, 400, []string{"no rows"}},
		{"another number of rows", "pair", jsonType, `{"x":[1],"y":["a","b"]}`, 400, []string{`"x" has 1 rows and "y" has 2`}},
		{"texts where numbers are wanted", "numbers", jsonType, `["a"]`, 400, []string{`"x" has data type BYTES, want numbers, or booleans`}},
		{"arrays of different lengths there", "numbers", jsonType, `[[1],[2,3]]`, 400, []string{"in arrays of equal lengths"}},
		{"nothing at all", "nothing", jsonType, `{}`, 400, []string{"no argument is given, and so no rows: nothing takes x (ANY, optional), y (FP32 [-1], optional)"}},
		{"an argument that is needed", "scaled", jsonType, `{"scale":[1]}`, 400, []string{`argument "x" is missing`}},
		{"null for an optional one", "scaled", jsonType, `{"x":[1],"scale":null}`, 400, []string{`argument "scale"`, "got null"}},
		{"broken JSON", "one", jsonType, `{"x":tru}`, 400, []string{"want JSON"}},
		{"text that is none", "one", "text/plain", "\xff", 400, []string{"UTF-8"}},
		{".npy of strings that are no text", "rows", "application/x-npy", strings.Replace(npy(t, []int{1}, uint8(0xff)), "|u1", "|S1", 1), 400, []string{"string 0 that is not valid UTF-8"}},
		{"the document itself in place of its argument", "one", jsonType, `{"a":1}`, 400, []string{`there is no argument "a": one takes x (ANY); to send this object as x, write {"x": {…}}`}},
		{"an argument that there is not", "version", jsonType, `{"x":1}`, 400, []string{"version takes no argument"}},
		{"a value where none is taken", "version", jsonType, `1`, 400, []string{"version takes no argument"}},
		{"bytes", "one", octets, "a", 415, []string{"a runnable takes them if it declares argument \"x\" as bytes"}},
		{"bytes without a type", "one", "", "a", 415, []string{`"none"`, "declares argument \"x\" as bytes"}},
		{"text where numbers are wanted", "numbers", "text/plain", "1", 415, []string{"application/x-npy"}},
		{"text for two that are needed", "pair", "text/plain", "1", 415, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := anyQueue()
			w := send(t, newGateway(t, q, setup{}).Handler(), http.MethodPost, "/v1/runners/any/"+tt.method, tt.body, "Content-Type", tt.contentType)
			code := map[int]string{400: "invalid_input", 415: "unsupported_media_type"}[tt.status]
			wantProblem(t, w, tt.status, code, tt.words...)
			if q.queued() > 0 {
				t.Error("it was queued")
			}
		})
	}
}

func TestAResultOfAnyTypeIsWhatItTurnsOutToBe(t *testing.T) {
	t.Parallel()
	const jsonType, octets, npyType = "application/json", "application/octet-stream", "application/x-npy"
	for _, tt := range []struct{ name, method, accept, body, wantType, want string }{
		{"numbers as .npy", "rows", npyType, `[1,2]`, npyType, npy(t, []int{2}, int64(1), 2)},
		{"numbers as they are", "rows", octets, `[true]`, octets, "\x01"},
		{"declared as any", "declared", npyType, `[1]`, npyType, npy(t, []int{1}, int64(1))},
		{"documents fall back", "rows", npyType + ", */*;q=0.1", `["a"]`, jsonType, `["a"]`},
		{"several outputs fall back", "pair", octets + ", application/json;q=0.5", `{"x":[1],"y":[2]}`, jsonType, `{"result_0":[1],"result_1":[2]}`},
		{"whatever there is", "rows", "*/*", `[1]`, jsonType, `[1]`},
		{"documents and nothing else", "rows", npyType, `["a"]`, "", "documents, which application/x-npy does not hold; ask for it with Accept: application/json"},
		{"documents as octets", "declared", octets, `["a"]`, "", "documents, which application/octet-stream does not hold"},
		{"several outputs and nothing else", "pair", npyType, `{"x":[1],"y":[2]}`, "", "2 values, of which application/x-npy holds one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newGateway(t, anyQueue(), setup{}).Handler()
			w := send(t, h, http.MethodPost, "/v1/runners/any/"+tt.method, tt.body, "Content-Type", jsonType, "Accept", tt.accept)
			if tt.wantType == "" {
				if p := wantProblem(t, w, http.StatusNotAcceptable, "not_acceptable", tt.want); strings.Join(p.Offers, " ") != jsonType {
					t.Errorf("offers %v", p.Offers)
				}
				return
			}
			wantBody(t, w, http.StatusOK, tt.want)
			if got := w.Header().Get("Content-Type"); got != tt.wantType {
				t.Errorf("content type %q, want %q", got, tt.wantType)
			}
		})
	}
}

func TestAResultThatNoOutputOfAnyTypeHasIsNotComputed(t *testing.T) {
	t.Parallel()
	q := anyQueue()
	w := send(t, newGateway(t, q, setup{}).Handler(), http.MethodPost, "/v1/runners/any/rows", `[1]`, "Content-Type", "application/json", "Accept", "text/plain")
	p := wantProblem(t, w, http.StatusNotAcceptable, "not_acceptable")
	if got := strings.Join(p.Offers, " "); got != "application/json application/octet-stream application/x-npy" || q.queued() > 0 {
		t.Errorf("offers %q, and %d calls were queued", got, q.queued())
	}
}

func TestAMethodOfAnyTypeIsDescribed(t *testing.T) {
	t.Parallel()
	h := newGateway(t, anyQueue(), setup{}).Handler()
	send(t, h, http.MethodGet, "/v1/runners/any", "") // so that it is known
	var doc struct {
		Paths map[string]map[string]struct {
			RequestBody struct {
				Content map[string]struct{ Schema json.RawMessage }
			}
			Responses map[string]struct {
				Content map[string]struct{ Schema json.RawMessage }
			}
		}
	}
	if err := json.Unmarshal(send(t, h, http.MethodGet, "/openapi.json", "").Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	const anySchema = `{"description":"ANY: numbers or booleans, alone or in arrays of equal lengths, or any other JSON."}`
	op := doc.Paths["/v1/runners/any/scaled"]["post"]
	want := `{"anyOf":[{"additionalProperties":false,"properties":{"label":{"items":{"type":"string"},"type":"array"},"scale":` + anySchema +
		`,"x":` + anySchema + `},"required":["x"],"type":"object"},` + anySchema + `]}`
	if got := string(op.RequestBody.Content["application/json"].Schema); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string(op.Responses["200"].Content["application/json"].Schema); !strings.Contains(got, "has not declared what it answers") || strings.Contains(got, `"type"`) {
		t.Errorf("got %s", got)
	}
	if _, ok := op.Responses["200"].Content["application/x-npy"]; !ok {
		t.Error("numbers are not offered as .npy")
	}
	page := send(t, h, http.MethodGet, "/docs", "").Body.String()
	for _, words := range []string{
		"<code>x</code> (ANY), <code>scale</code> (ANY, optional), <code>label</code> (BYTES [-1] of text, optional)",
		"answers <code>result</code> (ANY).", "{&#34;x&#34;: [1, 2]}",
	} {
		if !strings.Contains(page, words) {
			t.Errorf("the page does not say %s", words)
		}
	}
}

// anyJSON draws JSON values as Go has them.
func anyJSON() *rapid.Generator[any] {
	scalar := rapid.OneOf(
		rapid.Just[any](nil), rapid.Map(rapid.Bool(), boxed), rapid.Map(rapid.Int64(), boxed), rapid.Map(rapid.IntRange(-9, 9), boxed),
		rapid.Map(rapid.Float64Range(-1e300, 1e300), boxed), rapid.Map(rapid.Float64Range(-1, 1), boxed), rapid.Map(rapid.Uint64(), boxed), rapid.Map(rapid.String(), boxed),
	)
	grid := rapid.Custom(func(t *rapid.T) any { // of equal lengths, of one type or nearly so
		element := rapid.SampledFrom([]*rapid.Generator[any]{
			rapid.Map(rapid.Bool(), boxed), rapid.Map(rapid.Int64(), boxed), rapid.Map(rapid.Float64Range(-1e9, 1e9), boxed), scalar,
		}).Draw(t, "element")
		shape := rapid.SliceOfN(rapid.IntRange(0, 3), 1, 4).Draw(t, "shape")
		return gridOf(shape, func() any { return element.Draw(t, "value") })
	})
	nested := rapid.Deferred(func() *rapid.Generator[any] { return rapid.OneOf(scalar, grid) })
	return rapid.OneOf(
		scalar, grid, rapid.Map(rapid.SliceOfN(nested, 0, 4), boxed[[]any]), rapid.Map(rapid.MapOfN(rapid.String(), nested, 0, 3), boxed[map[string]any]),
	)
}

func boxed[T any](v T) any { return v }

func gridOf(shape []int, element func() any) any {
	if len(shape) == 0 {
		return element()
	}
	rows := make([]any, shape[0])
	for i := range rows {
		rows[i] = gridOf(shape[1:], element)
	}
	return rows
}

func TestWhateverJSONWasGivenComesBack(t *testing.T) {
	t.Parallel()
	h := newGateway(t, anyQueue(), setup{}).Handler()
	rapid.Check(t, func(rt *rapid.T) {
		given := anyJSON().Draw(rt, "given")
		method := "one"
		if rows, ok := given.([]any); ok && len(rows) > 0 && rapid.Bool().Draw(rt, "rows") {
			method = "rows"
		}
		raw, err := json.Marshal(given)
		if err != nil {
			rt.Fatal(err)
		}
		w := send(t, h, http.MethodPost, "/v1/runners/any/"+method, `{"x":`+string(raw)+`}`, "Content-Type", "application/json")
		var want, got any
		if err := errors.Join(json.Unmarshal(raw, &want), json.Unmarshal(w.Body.Bytes(), &got)); err != nil {
			rt.Fatal(err)
		}
		if w.Code != http.StatusOK || !reflect.DeepEqual(got, want) {
			rt.Fatalf("%s came back as %d %s", raw, w.Code, w.Body)
		}
	})
}

// wantAny runs a method of [anything] and wants this result and types of the
// arguments.
func wantAny[T any](method string, want T, argTypes string, args ...any) func(*testing.T) {
	return func(t *testing.T) {
		t.Parallel()
		q := anyQueue()
		err := inService(t, q, func(ctx context.Context, c *gateway.Client) error {
			got, err := gateway.Run[T](ctx, c, "any", method, args...)
			if !reflect.DeepEqual(got, want) {
				return errors.Join(err, fmt.Errorf("got %v, want %v", got, want))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := types(q.last(t)); got != argTypes {
			t.Errorf("got %s, want %s", got, argTypes)
		}
	}
}

func TestGoValuesStandForValuesOfAnyType(t *testing.T) {
	t.Parallel()
	type doc struct {
		A int `json:"a"`
	}
	t.Run("floats", wantAny("rows", []float32{1, float32(math.Inf(1))}, "x FP32 [2]", []float32{1, float32(math.Inf(1))}))
	t.Run("rows of floats", wantAny("rows", [][]float32{{1, 2}}, "x FP32 [1 2]", [][]float32{{1, 2}}))
	t.Run("whole doubles", wantAny("rows", [][1]float64{{1}}, "x FP64 [1 1]", [][1]float64{{1}}))
	t.Run("integers", wantAny("rows", []int{1, 2}, "x INT64 [2]", []int{1, 2}))
	t.Run("small integers", wantAny("one", []int8{-1, 2}, "x INT8 [2]", []int8{-1, 2}))
	t.Run("large integers", wantAny("one", uint64(7), "x UINT64 []", uint64(7)))
	t.Run("integers beyond those with a sign", wantAny("rows", [][]uint64{{1, math.MaxUint64}}, "x UINT64 [1 2]", [][]uint64{{1, math.MaxUint64}}))
	t.Run("one of them is a row", wantAny("rows", uint64(math.MaxUint64), "x UINT64 [1]", uint64(math.MaxUint64)))
	t.Run("one of them without rows", wantAny("one", uint(math.MaxUint64), "x UINT64 []", uint(math.MaxUint64)))
	t.Run("lists of them that are not equally long", wantAny("one", [][]uint64{{1}, {2, 3}}, "x BYTES []", [][]uint64{{1}, {2, 3}}))
	t.Run("none of them", wantAny("one", []uint64{}, "x BYTES []", []uint64{}))
	t.Run("a number is a row", wantAny("rows", float32(0.1), "x FP32 [1]", float32(0.1)))
	t.Run("a text is a row", wantAny("rows", "a", "x BYTES [1]", "a"))
	t.Run("a text without rows", wantAny("one", "a", "x BYTES []", "a"))
	t.Run("texts", wantAny("rows", []string{"a", "b"}, "x BYTES [2]", []string{"a", "b"}))
	t.Run("bytes", wantAny("one", []byte{0, 255}, "x BYTES []", []byte{0, 255}))
	t.Run("a struct is a row", wantAny("rows", doc{1}, "x BYTES [1]", doc{1}))
	t.Run("structs", wantAny("rows", []doc{{1}, {2}}, "x BYTES [2]", []doc{{1}, {2}}))
	t.Run("nothing", wantAny("one", any(nil), "x BYTES []", nil))
	t.Run("mixed", wantAny("one", []any{1.5, "a"}, "x BYTES []", []any{1.5, "a"}))
	t.Run("JSON is what it says", wantAny("one", []int{1, 300}, "x INT64 [2]", json.RawMessage(`[1,300]`)))
	t.Run("optional ones at the end", wantAny("scaled", []int{1}, "x INT64 [1]", []int{1}))
	t.Run("optional ones by nil", wantAny("nothing", []float32{1}, "y FP32 [1]", nil, []float32{1}))
	t.Run("several outputs", wantAny("scaled", map[string]any{"result_0": []any{1.0}, "result_1": []any{2.5}}, "x INT64 [1], scale FP64 [1]", []int{1}, 2.5))
}

func TestArgumentsThatAreNeededAreNotLeftOut(t *testing.T) {
	t.Parallel()
	for _, args := range [][]any{{}, {1, 2, "a", 4}} {
		err := inService(t, anyQueue(), func(ctx context.Context, c *gateway.Client) error {
			_, err := gateway.Run[any](ctx, c, "any", "scaled", args...)
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "scaled takes x (ANY), scale (ANY, optional)") {
			t.Errorf("%d arguments: %v", len(args), err)
		}
	}
}
