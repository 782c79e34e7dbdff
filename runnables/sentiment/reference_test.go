package sentiment_test

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/runnables/sentiment"
)

var generated = flag.String("generated", "testdata/generated.jsonl.gz", "what testdata/make_reference.py --generate wrote")

// reference is a text with its scores by vaderSentiment.
type reference struct {
	Text string `json:"text"`
	sentiment.Score
}

func readReference(t *testing.T, path string) []reference {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	var refs []reference
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var r reference
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		refs = append(refs, r)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return refs
}

// difference is the largest one of the four numbers.
func difference(a, b sentiment.Score) float64 {
	return max(math.Abs(a.Compound-b.Compound), math.Abs(a.Pos-b.Pos), math.Abs(a.Neu-b.Neu), math.Abs(a.Neg-b.Neg))
}

// compare reports texts whose scores differ at all.
func compare(t *testing.T, refs []reference) {
	t.Helper()
	s := sentiment.NewScorer()
	different := 0
	for _, r := range refs {
		if got := s.Score(r.Text); difference(got, r.Score) > 0 {
			if different++; different <= 20 {
				t.Errorf("%q\n got %+v\nwant %+v", r.Text, got, r.Score)
			}
		}
	}
	t.Logf("%d of %d texts differ", different, len(refs))
}

func TestScoresAreThoseOfPython(t *testing.T) {
	t.Parallel()
	refs := readReference(t, "testdata/reference.jsonl")
	if len(refs) < 250 {
		t.Errorf("%d sentences are too few to tell", len(refs))
	}
	compare(t, refs)
}

func TestScoresAreThoseOfPythonOnGeneratedSentences(t *testing.T) {
	t.Parallel()
	compare(t, readReference(t, *generated))
}

func TestTheTablesAreThoseOfPython(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("testdata/tables.sha256")
	if err != nil {
		t.Fatal(err)
	}
	lines := sentiment.Tables()
	slices.Sort(lines)
	if got := fmt.Sprintf("%x\n", sha256.Sum256([]byte(strings.Join(lines, "\n")))); got != string(want) {
		t.Errorf("the digest of %d entries is %s, want %s", len(lines), got, want)
	}
}
