package bulk_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"gocloud.dev/blob"

	"github.com/ekiben/ekiben/internal/processes"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks/bulk"
)

// s3 starts a server and returns the URL of a store in it.
func s3(t *testing.T) string {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("batches"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server())
	t.Cleanup(server.Close)
	return "s3://batches?" + url.Values{
		"region": {"us-east-1"}, "endpoint": {server.URL}, "use_path_style": {"true"}, "anonymous": {"true"},
		"response_checksum_validation": {"when_required"}, // it sends none
	}.Encode()
}

// gcs starts a server and returns the URL of a store in it. The library learns of it
// by the environment.
func gcs(t *testing.T) string {
	t.Helper()
	addr := processes.FreeAddr(t)
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	server, err := fakestorage.NewServerWithOptions(fakestorage.Options{
		Scheme: "http", Host: host, Port: uint16(n), PublicHost: addr, Writer: io.Discard,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	server.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: "batches"})
	t.Setenv("STORAGE_EMULATOR_HOST", addr)
	return "gs://batches?anonymous=true"
}

func TestBatchesAreKeptInS3(t *testing.T) {
	t.Parallel()
	keepsBatches(t, s3(t))
}

func TestBatchesAreKeptInGCS(t *testing.T) { //nolint:paralleltest // the environment is the only way to name the server
	keepsBatches(t, gcs(t))
}

// keepsBatches runs a batch with a store, from its file to the sweep, and some that
// cannot be stored.
func keepsBatches(t *testing.T, at string) {
	t.Helper()
	w := newWorld(t)
	w.config.Retention = time.Millisecond
	w.storeIn(at)
	lines, ids := goodLines(33)
	b := w.batch(ours(), lines+"no line\n")
	if got := w.read(b.File); got != lines+"no line\n" {
		t.Errorf("the file came back as %q", got)
	}
	stop := w.process(w.queue, w)
	if b = w.ended(b.ID); b.State != queue.BatchCompleted || b.Completed != 33 || b.Failed != 1 {
		t.Fatalf("got %+v", b)
	}
	if got := customIDs(t, w.read(bulk.ResultsFile(b.ID))); fmt.Sprint(got) != fmt.Sprint(ids) {
		t.Errorf("results are of %v", got)
	}
	if got := w.read(bulk.ErrorsFile(b.ID)); !strings.HasPrefix(got, `{"custom_id":null,"line":34,"status":400`) {
		t.Errorf("the error is %s", got)
	}
	stop()
	isSwept(t, w, b)
	large := storesLargeFiles(t, w)
	storesNothingOfWhatFails(t, w)
	folder := "ekiben/" + w.prefix + "/files/"
	if got, want := keys(t, at), []string{folder + large + ".json", folder + large + ".jsonl"}; !slices.Equal(got, want) {
		t.Errorf("the store has %v, want %v", got, want)
	}
}

// keys are the names of all that is in a store.
func keys(t *testing.T, at string) (names []string) {
	t.Helper()
	bucket, err := blob.OpenBucket(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bucket.Close() }()
	for list := bucket.List(nil); ; {
		o, err := list.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, o.Key)
	}
}

// storesLargeFiles sends more than stores take in one request, and returns the file.
func storesLargeFiles(t *testing.T, w *world) (id string) {
	t.Helper()
	large := strings.Repeat(strings.Repeat("x", 1023)+"\n", 20<<10)
	f, err := w.desk.Receive(t.Context(), "large", strings.NewReader(large))
	if err != nil || f.Bytes != 20<<20 || f.Lines != 20<<10 {
		t.Fatalf("got %+v, %v", f, err)
	}
	if got := w.read(f.ID); got != large {
		t.Errorf("%d bytes came back, want the %d that were stored", len(got), len(large))
	}
	return f.ID
}

// storesNothingOfWhatFails breaks off a small file and one that is on its way.
func storesNothingOfWhatFails(t *testing.T, w *world) {
	t.Helper()
	broken := errors.New("broken")
	for _, size := range []int{100, 20 << 20} {
		if _, err := w.desk.Receive(t.Context(), "", io.MultiReader(strings.NewReader(strings.Repeat("x", size)), failing{broken})); !errors.Is(err, broken) {
			t.Errorf("%d bytes and a fault: %v", size, err)
		}
	}
	if _, err := w.desk.File(t.Context(), "file-NONE"); !errors.Is(err, queue.ErrUnknownFile) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// isSwept drops a batch whose time is over, with its files.
func isSwept(t *testing.T, w *world, b queue.Batch) {
	t.Helper()
	w.sweep(w.queue)
	for _, id := range []string{b.File, bulk.ResultsFile(b.ID), bulk.ErrorsFile(b.ID)} {
		if _, err := w.desk.File(t.Context(), id); !errors.Is(err, queue.ErrUnknownFile) {
			t.Errorf("file %s: %v", id, err)
		}
	}
}
