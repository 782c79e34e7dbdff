package bulk_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks/bulk"
)

func TestFilesAreListedFromNewToOld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var want []string
	for i := range 5 {
		f, err := w.desk.Receive(t.Context(), fmt.Sprint(i), strings.NewReader("1"))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, f.ID)
	}
	slices.Reverse(want)
	var got []string
	for after, more := "", true; more; {
		var page []queue.BatchFile
		var err error
		if page, more, err = w.desk.Files(t.Context(), after, 2); err != nil || len(page) == 0 {
			t.Fatalf("a page of %d files, %v", len(page), err)
		}
		for _, f := range page {
			got = append(got, f.ID)
		}
		after = got[len(got)-1]
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if _, _, err := w.desk.Files(t.Context(), "file-none", 2); !errors.Is(err, queue.ErrUnknownFile) {
		t.Errorf("behind a file that is not there: %v", err)
	}
}

func TestAFileIsDroppedWhenNoBatchNeedsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lines, _ := goodLines(1)
	b := w.batch(ours(), lines)
	if err := w.desk.DropFile(t.Context(), b.File); !errors.Is(err, queue.ErrFileInUse) {
		t.Errorf("the file of a batch that has not ended: %v", err)
	}
	w.process(w.queue, w)
	w.ended(b.ID)
	if err := w.desk.DropFile(t.Context(), bulk.ResultsFile(b.ID)); !errors.Is(err, queue.ErrFileInUse) {
		t.Errorf("results: %v", err)
	}
	if err := w.desk.DropFile(t.Context(), b.File); err != nil {
		t.Error(err)
	}
	if _, err := w.desk.Open(t.Context(), b.File); !errors.Is(err, queue.ErrUnknownFile) {
		t.Errorf("a file that was dropped: %v", err)
	}
	if err := w.desk.DropFile(t.Context(), b.File); !errors.Is(err, queue.ErrUnknownFile) {
		t.Errorf("dropped twice: %v", err)
	}
}
