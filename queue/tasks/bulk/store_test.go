package bulk_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks/bulk"
)

// storeIn makes the store of a world one in a folder.
func (w *world) storeIn(at string) {
	w.t.Helper()
	var err error
	if w.store, err = bulk.OpenStore(w.t.Context(), at, w.prefix); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = w.store.Close() })
	w.desk = bulk.NewDesk(w.config, w.store, w.queue)
}

func (w *world) sweep(records bulk.Records) {
	w.t.Helper()
	e, err := bulk.NewEngine(w.config, w.store, records, w, slog.New(slog.DiscardHandler))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := e.Sweep(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// filesIn are the paths of all files in a folder.
func filesIn(t *testing.T, folder string) (paths []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(folder), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// Others may keep files of theirs in the same bucket.
func TestTheSweepDropsOnlyWhatIsItsOwn(t *testing.T) {
	t.Parallel()
	w, folder := newWorld(t), t.TempDir()
	w.storeIn("file://" + folder)
	mine := "ekiben/" + w.prefix + "/"
	others := []string{
		"files/file-A.jsonl", "batches/batchA/results/000000-A.jsonl", "files/notes.txt",
		"ekiben/other/files/file-A.jsonl",
		mine + "notes.txt", mine + "files/notes.txt", mine + "files/file-A.jsonl.bak", mine + "files/file-A-B.json",
		mine + "batches/batchA/results/notes.txt", mine + "batches/batchA/000000-A.jsonl", mine + "batches/batchA/other/000000-A.jsonl",
	}
	ours := []string{
		mine + "files/file-A.jsonl", mine + "files/file-A.json", mine + "files/file-B.jsonl.18a2b3c4d5e6f708.tmp",
		mine + "batches/batchA/results/000000-A.jsonl", mine + "batches/batchA/errors/1000000-A.jsonl",
	}
	for _, name := range slices.Concat(others, ours) {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		write := time.Now().Add(-72 * time.Hour)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, write, write)); err != nil {
			t.Fatal(err)
		}
	}
	w.sweep(w.queue)
	slices.Sort(others)
	if left := filesIn(t, folder); !slices.Equal(left, others) {
		t.Errorf("left are  %v\nwant %v", left, others)
	}
}

// skewed has a clock of its own.
type skewed struct {
	bulk.Records

	by time.Duration
}

func (s skewed) Now(ctx context.Context) (time.Time, error) {
	now, err := s.Records.Now(ctx)
	return now.Add(s.by), err
}

func TestTheSweepGoesByTheClockThatBatchesAreDatedBy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lines, _ := goodLines(1)
	b := w.batch(ours(), lines)
	stop := w.process(w.queue, w)
	w.ended(b.ID)
	stop()
	w.sweep(skewed{w.queue, w.config.Retention - time.Hour})
	if _, err := w.queue.Batch(t.Context(), b.ID); err != nil {
		t.Errorf("a batch whose time is not over: %v", err)
	}
	w.sweep(skewed{w.queue, w.config.Retention + time.Hour})
	if _, err := w.queue.Batch(t.Context(), b.ID); !errors.Is(err, queue.ErrUnknownBatch) {
		t.Errorf("a batch whose time is over: %v", err)
	}
}

// The folder for temporary files may be on another disk, from which nothing can be
// moved. Here there is none at all.
func TestAFolderIsMadeAndWrittenToInPlace(t *testing.T) {
	w, folder := newWorld(t), filepath.Join(t.TempDir(), "a", "b")
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none"))
	w.storeIn("file://" + folder)
	f, err := w.desk.Receive(t.Context(), "", strings.NewReader("1\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := w.read(f.ID); got != "1\n" {
		t.Errorf("read %q", got)
	}
	if _, err := os.Stat(filepath.Join(folder, "ekiben", w.prefix, "files", f.ID+".jsonl")); err != nil {
		t.Error(err)
	}
}

func TestAStoreThatFailsSaysThatItIsTheStore(t *testing.T) {
	t.Parallel()
	w, folder := newWorld(t), filepath.Join(t.TempDir(), "store")
	w.storeIn("file://" + folder)
	if err := errors.Join(os.RemoveAll(folder), os.WriteFile(folder, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.desk.Receive(t.Context(), "", strings.NewReader("1\n")); !errors.Is(err, queue.ErrStorage) {
		t.Errorf("got %v", err)
	}
}
