package sentiment_test

import (
	"bufio"
	"encoding/json"
	"flag"
	"math"
	"os"
	"testing"

	"github.com/ekiben/ekiben/runnables/sentiment"
)

var generated = flag.String("generated", "", "a file written by testdata/make_reference.py --generate")

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
	defer f.Close()
	var refs []reference
	lines := bufio.NewScanner(f)
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

// compare reports every text whose scores differ, and returns how many.
func compare(t *testing.T, refs []reference) int {
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
	return different
}

func TestScoresAreThoseOfPythonOnGeneratedSentences(t *testing.T) {
	t.Parallel()
	if *generated == "" {
		t.Skip("no file given with -generated")
	}
	refs := readReference(t, *generated)
	t.Logf("%d of %d sentences differ", compare(t, refs), len(refs))
}
