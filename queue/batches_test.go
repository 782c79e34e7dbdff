package queue_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ekiben/ekiben/internal/redistest"
	"github.com/ekiben/ekiben/queue"
)

func openBatches(t *testing.T) *queue.Queue {
	t.Helper()
	c := queue.DefaultConfig()
	c.URL, c.Prefix = redistest.URL(t), redistest.Prefix()
	q, err := queue.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

func TestABatchIsRunByOneOwnerAtATime(t *testing.T) {
	t.Parallel()
	q, ctx := openBatches(t), t.Context()
	b, err := q.SaveBatch(ctx, "b1", queue.BatchSpec{File: "f", Runner: "r", Metadata: map[string]string{"a": "b"}}, 7)
	if err != nil || b.State != queue.BatchValidating || b.Total != 7 || b.File != "f" || b.Metadata["a"] != "b" || b.Created.IsZero() {
		t.Fatalf("saved %+v, %v", b, err)
	}
	if err := q.ClaimBatch(ctx, "b1", "one", time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := q.ClaimBatch(ctx, "b1", "two", time.Minute); !errors.Is(err, queue.ErrBatchTaken) {
		t.Fatalf("a second owner got it: %v", err)
	}
	progress := queue.BatchProgress{Total: 7, Completed: 3, Failed: 1, Stored: 4, StoredFailed: 1, Results: 1, Errors: 1, ResultBytes: 10, ErrorBytes: 5}
	part := queue.BatchPart{Kind: "results", Name: "p0"}
	if _, err := q.NoteBatch(ctx, "b1", "two", time.Minute, queue.BatchChange{Progress: &progress}); !errors.Is(err, queue.ErrBatchTaken) {
		t.Fatalf("somebody else noted progress: %v", err)
	}
	// A lease of nothing gives it back.
	if _, err := q.NoteBatch(ctx, "b1", "one", 0, queue.BatchChange{Progress: &progress, Parts: []queue.BatchPart{part}}); err != nil {
		t.Fatal(err)
	}
	if err := q.ClaimBatch(ctx, "b1", "two", time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := q.NoteBatch(ctx, "b1", "one", time.Minute, queue.BatchChange{}); !errors.Is(err, queue.ErrBatchTaken) {
		t.Fatalf("the old owner may still note: %v", err)
	}
	// Saving it again changes nothing.
	if b, err = q.SaveBatch(ctx, "b1", queue.BatchSpec{File: "other"}, 1); err != nil || b.BatchProgress != progress || b.File != "f" || b.State != queue.BatchInProgress {
		t.Fatalf("got %+v, %v", b, err)
	}
	if names, err := q.BatchParts(ctx, "b1", "results", 1); err != nil || names[0] != "p0" {
		t.Fatalf("parts %v, %v", names, err)
	}
}

func TestACanceledBatchSaysSoToItsOwner(t *testing.T) {
	t.Parallel()
	q, ctx := openBatches(t), t.Context()
	if _, err := q.CancelBatch(ctx, "none"); !errors.Is(err, queue.ErrUnknownBatch) {
		t.Fatalf("got %v", err)
	}
	if _, err := q.SaveBatch(ctx, "b", queue.BatchSpec{File: "f"}, 1); err != nil {
		t.Fatal(err)
	}
	if err := q.ClaimBatch(ctx, "b", "me", time.Minute); err != nil {
		t.Fatal(err)
	}
	b, err := q.CancelBatch(ctx, "b")
	if err != nil || b.State != queue.BatchCancelling {
		t.Fatalf("got %+v, %v", b, err)
	}
	if canceled, err := q.NoteBatch(ctx, "b", "me", time.Minute, queue.BatchChange{}); err != nil || !canceled {
		t.Fatalf("canceled %v, %v", canceled, err)
	}
	if _, err := q.NoteBatch(ctx, "b", "me", time.Minute, queue.BatchChange{State: queue.BatchCancelled, Retention: time.Hour}); err != nil {
		t.Fatal(err)
	}
	b, err = q.Batch(ctx, "b")
	if err != nil || b.State != queue.BatchCancelled || !b.Expires.Equal(b.Finished.Add(time.Hour)) {
		t.Fatalf("got %+v, %v", b, err)
	}
	if open, err := q.OpenBatches(ctx, 10); err != nil || len(open) != 0 {
		t.Fatalf("open %v, %v", open, err)
	}
	if err := q.ClaimBatch(ctx, "b", "you", time.Minute); !errors.Is(err, queue.ErrBatchTaken) {
		t.Fatalf("it ran again: %v", err)
	}
}

func TestBatchesAreListedFromNewToOld(t *testing.T) {
	t.Parallel()
	q, ctx := openBatches(t), t.Context()
	for i := range 7 {
		if _, err := q.SaveBatch(ctx, fmt.Sprintf("b%d", i), queue.BatchSpec{File: "f"}, i); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for cursor := ""; ; {
		page, next, err := q.Batches(ctx, cursor, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range page {
			got = append(got, b.ID)
		}
		if cursor = next; next == "" {
			break
		}
	}
	if fmt.Sprint(got) != "[b6 b5 b4 b3 b2 b1 b0]" {
		t.Errorf("got %v", got)
	}
	if after, err := q.BatchCursor(ctx, "b2"); err != nil {
		t.Error(err)
	} else if page, _, err := q.Batches(ctx, after, 10); err != nil || len(page) != 2 || page[0].ID != "b1" {
		t.Errorf("behind b2 are %+v, %v", page, err)
	}
	if _, err := q.BatchCursor(ctx, "none"); !errors.Is(err, queue.ErrUnknownBatch) {
		t.Errorf("got %v", err)
	}
	if err := q.DropBatch(ctx, "b3"); err != nil {
		t.Fatal(err)
	}
	if page, _, err := q.Batches(ctx, "", 10); err != nil || len(page) != 6 {
		t.Errorf("%d left, %v", len(page), err)
	}
	if _, _, err := q.Batches(ctx, "nonsense", 10); !errors.Is(err, queue.ErrMalformed) {
		t.Errorf("got %v", err)
	}
}
