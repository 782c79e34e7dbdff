package tensor_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ekiben/ekiben/tensor"
)

func TestJSONTellsItsTypeAndShape(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		raw  string
		rows bool
		want string
	}{
		{`1`, false, "INT64 [] 1"},
		{` -9223372036854775808 `, false, "INT64 [] -9223372036854775808"},
		{`1.0`, false, "FP64 [] 1"},
		{`1e2`, false, "FP64 [] 100"},
		{`true`, false, "BOOL [] true"},
		{`[1,2,3]`, true, "INT64 [3] [1,2,3]"},
		{`[1, 2.5]`, true, "FP64 [2] [1,2.5]"},
		{`[1.5, 2]`, true, "FP64 [2] [1.5,2]"},
		{`[16777217, -16777217, 0.5]`, true, "FP64 [3] [16777217,-16777217,0.5]"},
		{`[9007199254740993, 0.5]`, true, "FP64 [2] [9007199254740992,0.5]"},
		{`[0.5, 9007199254740993]`, true, "FP64 [2] [0.5,9007199254740992]"},
		{`[18446744073709551616, 0.5]`, true, "FP64 [2] [18446744073709552000,0.5]"},
		{`[[1,2],[3,4],[5,6]]`, true, "INT64 [3 2] [[1,2],[3,4],[5,6]]"},
		{`[[[true],[false]]]`, false, "BOOL [1 2 1] [[[true],[false]]]"},
		{strings.Repeat("[", 8) + "1" + strings.Repeat("]", 8), true, "INT64 [1 1 1 1 1 1 1 1] [[[[[[[[1]]]]]]]]"},

		{`"a b"`, false, `BYTES [] "a b"`},
		{`null`, false, `BYTES [] null`},
		{`{"b": [1, 2], "a": 1.0}`, false, `BYTES [] {"b":[1,2],"a":1.0}`},
		{`["a", "b"]`, false, `BYTES [] ["a","b"]`},
		{`["a", "b"]`, true, `BYTES [2] ["a","b"]`},
		{`[ {"a": 1.0} , null ]`, true, `BYTES [2] [{"a":1.0},null]`},
		{`[1, "a"]`, true, `BYTES [2] [1,"a"]`},
		{`[1, true]`, true, `BYTES [2] [1,true]`},
		{`[true, 1]`, true, `BYTES [2] [true,1]`},
		{`[true, 1.5]`, true, `BYTES [2] [true,1.5]`},
		{`[1, null]`, true, `BYTES [2] [1,null]`},
		{`[[1,2],[3]]`, true, `BYTES [2] [[1,2],[3]]`},
		{`[[1],2]`, true, `BYTES [2] [[1],2]`},
		{`[1,[2]]`, true, `BYTES [2] [1,[2]]`},
		{`[[],1]`, true, `BYTES [2] [[],1]`},
		{`[1,[]]`, true, `BYTES [2] [1,[]]`},
		{`[[1,[]],[2,[]]]`, true, `BYTES [2] [[1,[]],[2,[]]]`},
		{`[]`, false, `BYTES [] []`},
		{`[]`, true, `BYTES [0] []`},
		{`[[],[]]`, true, `BYTES [2] [[],[]]`},
		{`[9223372036854775808, 1]`, true, `BYTES [2] [9223372036854775808,1]`},
		{`[1e400, 1]`, true, `BYTES [2] [1e400,1]`},
		{strings.Repeat("[", 9) + "1" + strings.Repeat("]", 9), false, `BYTES [] ` + strings.Repeat("[", 9) + "1" + strings.Repeat("]", 9)},
	} {
		got, err := tensor.InferJSON([]byte(tt.raw), tt.rows)
		if err != nil {
			t.Errorf("%s: %v", tt.raw, err)
			continue
		}
		back, err := tensor.AppendJSON(nil, got, tensor.EncodeJSON)
		if s := fmt.Sprintf("%s %v %s", got.DType(), got.Shape(), back); err != nil || s != tt.want {
			t.Errorf("%s: got %s %v, want %s", tt.raw, s, err, tt.want)
		}
	}
}

func TestJSONWithoutRowsOrMeaningHasNoType(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		raw   string
		rows  bool
		words string
	}{
		{`1`, true, "want an array, whose elements are the rows, got a number"},
		{`{"a":[1]}`, true, "got an object"},
		{`"abc"`, true, "got a string"},
		{``, true, "got the end"},
		{``, false, "want JSON"},
		{`[1,2`, true, "the end"},
		{`[1,2`, false, "want JSON"},
		{`[1,2] 3`, true, "goes on after the value"},
		{`1 2`, false, "goes on after the value"},
		{`tru`, false, "want JSON"},
		{`[1,]`, true, "want JSON"},
		{`[01]`, true, "want JSON"},
		{`[-]`, true, "want JSON"},
		{"\"\xff\"", false, "UTF-8"},
	} {
		got, err := tensor.InferJSON([]byte(tt.raw), tt.rows)
		if err == nil {
			t.Errorf("%s: got %s %v", tt.raw, got.DType(), got.Shape())
			continue
		}
		mustBeInvalid(t, err)
		if !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%s: %v, want %q", tt.raw, err, tt.words)
		}
	}
}

func FuzzInferJSONGivesBackWhatItTook(f *testing.F) {
	for _, seed := range []string{
		`[[1,2],[3,4]]`, `[1,2.5]`, `[true,false]`, `["a",{"b":[1,null]}]`, `[[1],[2,3]]`, `-0`, `[9223372036854775808]`, `[1e400]`, `[[[]],[]]`, `[[],1]`, "\xff", `["\ud800"]`,
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, raw []byte, rows bool) {
		got, err := tensor.InferJSON(raw, rows)
		if err != nil {
			mustBeInvalid(t, err)
			if json.Valid(raw) && bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) && utf8.Valid(raw) {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		back, err := tensor.AppendJSON(nil, got, tensor.EncodeJSON)
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		if got.DType() == tensor.Bytes {
			var compact bytes.Buffer
			if err := json.Compact(&compact, raw); err != nil || compact.String() != string(back) {
				t.Fatalf("%q came back as %q, %v", raw, back, err)
			}
			return
		}
		var a, b any
		if err := json.Unmarshal(raw, &a); err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		if err := json.Unmarshal(back, &b); err != nil || !reflect.DeepEqual(a, b) {
			t.Fatalf("%q came back as %q, %v", raw, back, err)
		}
	})
}
