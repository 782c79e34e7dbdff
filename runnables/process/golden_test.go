package process_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/runnables/process"
	"github.com/ekiben/ekiben/tensor"
)

var update = flag.Bool("update", false, "write testdata/frames anew")

// golden is what the .json file beside a frame says of it.
type golden struct {
	About string `json:"about"`
	Kind  string `json:"kind"`
	ID    uint64 `json:"id"`

	// Body is that of a frame with a JSON body. Its keys may come in any order.
	Body json.RawMessage `json:"body,omitempty"`

	// Payload is that of a CALL or a RESULT.
	Payload *goldenPayload `json:"payload,omitempty"`
}

type goldenPayload struct {
	Method  int            `json:"method"`
	Rows    int            `json:"rows"`
	Slot    *uint32        `json:"slot"` // null for none
	Tensors []goldenTensor `json:"tensors"`
	Tail    string         `json:"tail,omitempty"`
}

// goldenTensor has "in": "line", "region" or "nothing" (left out).
type goldenTensor struct {
	In      string `json:"in"`
	DType   string `json:"datatype,omitempty"`
	Number  uint8  `json:"dtype,omitempty"`
	Shape   []int  `json:"shape"`
	Offset  int    `json:"offset,omitempty"`
	Size    int    `json:"size"`
	DataHex string `json:"data_hex,omitempty"`
}

func kinds() []string { return []string{"", "START", "READY", "FAILED", "CALL", "RESULT", "ERROR"} }

func numberOf(kind string) uint8 { return uint8(slices.Index(kinds(), kind)) }

// encode makes the frame that the description is of.
func (g golden) encode(t *testing.T) []byte {
	t.Helper()
	if g.Payload == nil {
		b, err := process.EncodeMessage(numberOf(g.Kind), g.ID, g.Body)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	p := process.Payload{Method: g.Payload.Method, Rows: g.Payload.Rows, Slot: process.NoSlot, Tail: []byte(g.Payload.Tail)}
	if g.Payload.Slot != nil {
		p.Slot = *g.Payload.Slot
	}
	for _, v := range g.Payload.Tensors {
		data, err := hex.DecodeString(v.DataHex)
		if err != nil {
			t.Fatal(err)
		}
		p.Values = append(p.Values, process.Value{
			DType: tensor.DType(v.Number), Shape: v.Shape, Omitted: v.In == "nothing", Region: v.In == "region",
			Offset: v.Offset, Size: v.Size, Data: data,
		})
	}
	return process.EncodePayload(numberOf(g.Kind), g.ID, p)
}

// describe is the description of a frame with a payload.
func describe(t *testing.T, about, kind string, id uint64, body []byte) golden {
	t.Helper()
	p, err := process.ParsePayload(body)
	if err != nil {
		t.Fatal(err)
	}
	g := golden{About: about, Kind: kind, ID: id, Payload: &goldenPayload{Method: p.Method, Rows: p.Rows, Tail: string(p.Tail)}}
	if p.Slot != process.NoSlot {
		g.Payload.Slot = &p.Slot
	}
	g.Payload.Tensors = []goldenTensor{}
	for _, v := range p.Values {
		if v.Omitted {
			g.Payload.Tensors = append(g.Payload.Tensors, goldenTensor{In: "nothing"})
			continue
		}
		in := "line"
		if v.Region {
			in = "region"
		}
		g.Payload.Tensors = append(g.Payload.Tensors, goldenTensor{
			In: in, DType: v.DType.String(), Number: uint8(v.DType), Shape: v.Shape, Offset: v.Offset, Size: v.Size,
			DataHex: hex.EncodeToString(v.Data),
		})
	}
	return g
}

func TestFramesAreThoseOfTheGoldenFiles(t *testing.T) {
	t.Parallel()
	if *update {
		writeGolden(t)
	}
	files, err := filepath.Glob("testdata/frames/*.json")
	if err != nil || len(files) < 15 {
		t.Fatalf("there are %d golden files, %v", len(files), err)
	}
	seen := map[string]bool{}
	for _, file := range files {
		g, frame := readGolden(t, file)
		seen[g.Kind] = true
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			kind, id, length, err := process.ParseHeader(frame)
			if err != nil || kind != g.Kind || id != g.ID || length != len(frame)-16 {
				t.Fatalf("header is %s %d %d %v", kind, id, length, err)
			}
			if g.Payload == nil {
				sameJSON(t, frame[16:], g.Body)
				again, err := process.RoundTripMessage(numberOf(kind), frame[16:])
				if err != nil {
					t.Fatal(err)
				}
				keepsJSON(t, again, g.Body)
				return
			}
			if got := describe(t, g.About, kind, id, frame[16:]); !reflect.DeepEqual(got, g) {
				t.Errorf("frame is\n%+v\nwant\n%+v", got.Payload, g.Payload)
			}
			if again := g.encode(t); !bytes.Equal(again, frame) {
				t.Errorf("encoded as\n%x\nwant\n%x", again, frame)
			}
		})
	}
	for _, kind := range kinds()[1:] {
		if !seen[kind] {
			t.Errorf("no golden file has a %s frame", kind)
		}
	}
}

func readGolden(t *testing.T, file string) (golden, []byte) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	frame, err := os.ReadFile(strings.TrimSuffix(file, ".json") + ".bin")
	if err != nil {
		t.Fatal(err)
	}
	return g, frame
}

func sameJSON(t *testing.T, got, want []byte) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal(got, &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(want, &b); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// keepsJSON checks that got has all that want has.
func keepsJSON(t *testing.T, got, want []byte) {
	t.Helper()
	var a, b map[string]any
	if err := json.Unmarshal(got, &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(want, &b); err != nil {
		t.Fatal(err)
	}
	for key, v := range b {
		if !reflect.DeepEqual(a[key], v) {
			t.Errorf("%s is %v, want %v", key, a[key], v)
		}
	}
}

func writeGolden(t *testing.T) {
	t.Helper()
	for name, g := range goldenFrames(t) {
		frame := g.encode(t)
		if g.Payload != nil {
			g = describe(t, g.About, g.Kind, g.ID, frame[16:])
		}
		text, err := json.MarshalIndent(g, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		base := filepath.Join("testdata", "frames", name)
		if err := os.WriteFile(base+".bin", frame, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(base+".json", append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
