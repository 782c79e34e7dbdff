package queue

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ekiben/ekiben/tensor"
)

// golden reads a file of bytes in hexadecimal, with comments.
func golden(tb testing.TB, name string) []byte {
	tb.Helper()
	text, err := os.ReadFile("testdata/" + name + ".golden")
	if err != nil {
		tb.Fatal(err)
	}
	var digits strings.Builder
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	data, err := hex.DecodeString(digits.String())
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func page(tb testing.TB, texts ...string) tensor.Tensor {
	tb.Helper()
	v, err := tensor.OfStrings([]int{len(texts)}, texts)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func goldenCalls(tb testing.TB) map[string]Call {
	tb.Helper()
	return map[string]Call{
		"envelope-awaited": {
			ID: "ocr~0~AWAITED", Method: "read", Caller: "key:7", Attempt: 0,
			Trace:  "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
			Inputs: []tensor.Named{{Name: "page", Tensor: page(tb, "hello")}}, replyTo: "gw1",
		},
		"envelope-job": {
			ID: "ocr~0~JOB", Method: "read", Lane: High, Attempt: 258, Inputs: []tensor.Named{}, job: true, replyTo: "gw2",
		},
		"envelope-apart": {ID: "ocr~0~APART", Method: "read", apart: true, replyTo: "gw1"},
	}
}

func goldenReplies(tb testing.TB) map[string]Reply {
	tb.Helper()
	return map[string]Reply{
		"reply-outputs": {
			Timing:  Timing{Queue: 1500 * time.Microsecond, Batch: 20 * time.Microsecond, Execute: 3 * time.Second, Rows: 32},
			Outputs: []tensor.Named{{Name: "", Tensor: page(tb, "world")}},
		},
		"reply-error": {
			Err: &CallError{Code: CodeRunnerFailed, Message: "out of ink", Retryable: true},
		},
	}
}

func TestEnvelopesAreThoseOfTheGoldenFiles(t *testing.T) {
	t.Parallel()

	for name, call := range goldenCalls(t) {
		want := golden(t, name)
		got := appendEnvelope(nil, &call)
		if !bytes.Equal(got, want) {
			t.Errorf("%s is\n%s, want\n%s", name, hex.Dump(got), hex.Dump(want))
		}
		if n := envelopeSize(&call); n < len(got) || n > len(got)+32 {
			t.Errorf("envelopeSize() of %s = %d, it has %d bytes", name, n, len(got))
		}
		back, err := decodeEnvelope(want)
		if err != nil || !reflect.DeepEqual(back, call) {
			t.Errorf("decodeEnvelope(%s) = %+v, %v; want %+v", name, back, err, call)
		}
	}
}

func TestRepliesAreThoseOfTheGoldenFiles(t *testing.T) {
	t.Parallel()

	for name, reply := range goldenReplies(t) {
		want := golden(t, name)
		got := appendReply(nil, &reply)
		if !bytes.Equal(got, want) {
			t.Errorf("%s is\n%s, want\n%s", name, hex.Dump(got), hex.Dump(want))
		}
		back, hint, err := decodeReply(want)
		if err != nil || hint || !reflect.DeepEqual(back, reply) {
			t.Errorf("decodeReply(%s) = %+v, %v, %v; want %+v", name, back, hint, err, reply)
		}
	}
	if got := appendHint(nil); !bytes.Equal(got, golden(t, "reply-hint")) {
		t.Errorf("a hint is\n%s", hex.Dump(got))
	}
	if _, hint, err := decodeReply(golden(t, "reply-hint")); err != nil || !hint {
		t.Errorf("decodeReply(hint) = %v, %v", hint, err)
	}
}

func TestWhatIsCutOffIsMalformed(t *testing.T) {
	t.Parallel()

	decode := map[string]func([]byte) error{
		"envelope": func(b []byte) error { _, err := decodeEnvelope(b); return err },
		"reply":    func(b []byte) error { _, _, err := decodeReply(b); return err },
	}
	for _, name := range []string{"envelope-awaited", "envelope-job", "envelope-apart", "reply-outputs", "reply-error"} {
		kind, _, _ := strings.Cut(name, "-")
		whole := golden(t, name)
		for n := range whole {
			if err := decode[kind](whole[:n]); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s of %d bytes cut to %d: %v, want ErrMalformed", name, len(whole), n, err)
			}
		}
		if err := decode[kind](append(whole, 0)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s with a byte too many: %v, want ErrMalformed", name, err)
		}
		for i := range 2 { // the magic number and the version
			spoilt := bytes.Clone(whole)
			spoilt[i]++
			if err := decode[kind](spoilt); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s with byte %d changed: %v, want ErrMalformed", name, i, err)
			}
		}
	}
}

func TestLongMessagesAreShortened(t *testing.T) {
	t.Parallel()

	r := Reply{Err: &CallError{Code: strings.Repeat("c", 5000), Message: strings.Repeat("m", 5000)}}
	back, _, err := decodeReply(appendReply(nil, &r))
	if err != nil || len(back.Err.Code) != maxField || len(back.Err.Message) != maxMessage {
		t.Errorf("decodeReply() = %v with a code of %d and a message of %d bytes", err, len(back.Err.Code), len(back.Err.Message))
	}
}

// anyNamed draws values of bytes.
func anyNamed() *rapid.Generator[[]tensor.Named] {
	return rapid.Custom(func(t *rapid.T) []tensor.Named {
		vs := make([]tensor.Named, rapid.IntRange(0, 3).Draw(t, "values"))
		for i := range vs {
			data := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "data")
			v, err := tensor.Of([]int{len(data)}, data)
			if err != nil {
				t.Fatal(err)
			}
			vs[i] = tensor.Named{Name: rapid.StringN(0, 8, 30).Draw(t, "name"), Tensor: v}
		}
		return vs
	})
}

func TestCallsComeBackFromTheirEnvelopes(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 300, maxField)
		want := Call{
			StartWithin: time.Duration(rapid.Int64Range(0, 1<<50).Draw(t, "start within")) * time.Microsecond,
			ID:          text.Draw(t, "id"), Method: text.Draw(t, "method"), Caller: text.Draw(t, "caller"), Trace: text.Draw(t, "trace"),
			Lane:    rapid.SampledFrom([]Lane{Normal, High, Low}).Draw(t, "lane"),
			Attempt: rapid.IntRange(0, 1<<31).Draw(t, "attempt"), Inputs: anyNamed().Draw(t, "inputs"),
			job: rapid.Bool().Draw(t, "job"), replyTo: text.Draw(t, "reply to"),
		}
		got, err := decodeEnvelope(appendEnvelope(nil, &want))
		if err != nil || !sameCall(got, want) {
			t.Fatalf("got %+v, %v; want %+v", got, err, want)
		}
	})
}

func TestRepliesComeBackFromTheirBytes(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		micros := rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.IntRange(0, 1<<40).Draw(t, "µs")) * time.Microsecond
		})
		want := Reply{Timing: Timing{micros.Draw(t, "queue"), micros.Draw(t, "batch"), micros.Draw(t, "execute"), rapid.IntRange(0, 1<<30).Draw(t, "rows")}}
		if rapid.Bool().Draw(t, "fails") {
			want.Err = &CallError{
				Code: rapid.StringN(0, 20, 80).Draw(t, "code"), Message: rapid.StringN(0, 1000, maxMessage).Draw(t, "message"),
				Retryable: rapid.Bool().Draw(t, "retryable"),
			}
		} else {
			want.Outputs = anyNamed().Draw(t, "outputs")
		}
		got, hint, err := decodeReply(appendReply(nil, &want))
		if err != nil || hint || !sameReply(got, want) {
			t.Fatalf("got %+v, %v, %v; want %+v", got, hint, err, want)
		}
	})
}

// sameCall and sameReply compare by the bytes of tensors: of no values there are
// several forms.
func sameCall(a, b Call) bool {
	same := bytes.Equal(tensor.AppendNamed(nil, a.Inputs), tensor.AppendNamed(nil, b.Inputs))
	a.Inputs, b.Inputs = nil, nil
	return same && reflect.DeepEqual(a, b)
}

func sameReply(a, b Reply) bool {
	same := bytes.Equal(tensor.AppendNamed(nil, a.Outputs), tensor.AppendNamed(nil, b.Outputs))
	a.Outputs, b.Outputs = nil, nil
	return same && reflect.DeepEqual(a, b)
}

func FuzzDecodeEnvelope(f *testing.F) {
	for name := range goldenCalls(f) {
		f.Add(golden(f, name))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		call, err := decodeEnvelope(src)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("decodeEnvelope() = %v, want ErrMalformed", err)
			}
			return
		}
		again, err := decodeEnvelope(appendEnvelope(nil, &call))
		if err != nil || !sameCall(again, call) {
			t.Fatalf("%+v became %+v, %v", call, again, err)
		}
	})
}

func FuzzDecodeReply(f *testing.F) {
	for name := range goldenReplies(f) {
		f.Add(golden(f, name))
	}
	f.Add(golden(f, "reply-hint"))
	f.Fuzz(func(t *testing.T, src []byte) {
		reply, hint, err := decodeReply(src)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("decodeReply() = %v, want ErrMalformed", err)
			}
			return
		}
		if hint {
			return
		}
		again, _, err := decodeReply(appendReply(nil, &reply))
		if err != nil || !sameReply(again, reply) {
			t.Fatalf("%+v became %+v, %v", reply, again, err)
		}
	})
}
