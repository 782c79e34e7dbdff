package process_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/ekiben/ekiben/runnables/process"
)

// What is read is either refused, or means exactly the bytes that it was read
// from.
func FuzzPayload(f *testing.F) {
	files, err := filepath.Glob("testdata/frames/*.bin")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		frame, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame[16:])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := process.ParsePayload(body)
		if err != nil {
			return
		}
		for _, v := range p.Values {
			if !v.Region && v.Size != len(v.Data) {
				t.Errorf("a value of %d bytes has %d", v.Size, len(v.Data))
			}
		}
		if again := process.EncodePayload(4, 1, p); !bytes.Equal(again[16:], body) {
			t.Errorf("read from\n%x\nwritten as\n%x", body, again[16:])
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte("\x05\x00\x00\x00\x04\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"))
	f.Add(make([]byte, 16))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 16 {
			return
		}
		kind, _, length, err := process.ParseHeader(b)
		if err == nil && (length > 1<<30 || kind == "") {
			t.Errorf("took a %s frame of %d bytes", kind, length)
		}
	})
}
