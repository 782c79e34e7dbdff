package bulk

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // azblob://
	"gocloud.dev/blob/fileblob"    // file://
	_ "gocloud.dev/blob/gcsblob"   // gs://
	_ "gocloud.dev/blob/memblob"   // mem://
	_ "gocloud.dev/blob/s3blob"    // s3://
	"gocloud.dev/gcerrors"

	"github.com/ekiben/ekiben/queue"
)

// Store keeps files, results and errors of batches. It is safe for concurrent
// use. All processes of a deployment must see the same one. Errors of the store
// itself are [queue.ErrStorage].
type Store struct{ bucket *blob.Bucket }

// OpenStore opens the store at a URL: file://, mem://, s3://, gs:// or azblob://,
// with the parameters that gocloud.dev/blob documents for each. Deployments that
// share one differ in their name, and touch nothing that is not their own.
func OpenStore(ctx context.Context, at, deployment string) (*Store, error) {
	bucket, err := blob.OpenBucket(ctx, complete(at))
	if err != nil {
		return nil, fmt.Errorf("bulk: open the blob store %s: %w", withoutSecrets(at), err)
	}
	return &Store{blob.PrefixedBucket(bucket, folderOf(deployment))}, nil
}

// complete adds to the URL of a folder what is always wanted: the folder is made if
// it is not there, and files are written where they stay. From the system's folder
// for temporary files, which may be on another disk, they could not be moved there.
func complete(at string) string {
	u, err := url.Parse(at)
	if err != nil || u.Scheme != fileblob.Scheme {
		return at
	}
	q := u.Query()
	q.Set("create_dir", "true")
	q.Set("no_tmp_dir", "true")
	u.RawQuery = q.Encode()
	return u.String()
}

// failing is an error of the store.
func failing(what string, err error) error {
	return fmt.Errorf("%w: %s: %w", queue.ErrStorage, what, err)
}

// withoutSecrets is a URL as it may be logged.
func withoutSecrets(at string) string {
	u, err := url.Parse(at)
	if err != nil {
		return "(no URL)"
	}
	u.RawQuery = ""
	return u.Redacted()
}

// FolderURL is the URL of a store in a folder, which is made if it is not there.
func FolderURL(folder string) (string, error) {
	path, err := filepath.Abs(folder)
	if err != nil {
		return "", fmt.Errorf("bulk: folder of the blob store: %w", err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", fmt.Errorf("bulk: folder of the blob store: %w", err)
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: "metadata=skip"}
	return u.String(), nil
}

// Close closes the store.
func (s *Store) Close() error { return s.bucket.Close() }

// write stores what a function writes under a name. Nothing is stored if the
// function fails.
func (s *Store) write(ctx context.Context, name string, fill func(io.Writer) error) error {
	ctx, abandon := context.WithCancel(ctx)
	defer abandon()
	w, err := s.bucket.NewWriter(ctx, name, &blob.WriterOptions{ContentType: "application/jsonl"})
	if err != nil {
		return failing("store "+name, err)
	}
	if err := fill(w); err != nil {
		abandon() // Close drops what was written
		_ = w.Close()
		return err
	}
	if err := w.Close(); err != nil {
		return failing("store "+name, err)
	}
	return nil
}

// open reads what is stored under a name; the error is [ErrNoFile] if there is
// nothing.
func (s *Store) open(ctx context.Context, name string) (io.ReadCloser, error) {
	r, err := s.bucket.NewReader(ctx, name, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, ErrNoFile
	}
	if err != nil {
		return nil, failing("read "+name, err)
	}
	return r, nil
}

// drop removes what is stored under a name, if there is something.
func (s *Store) drop(ctx context.Context, name string) error {
	if err := s.bucket.Delete(ctx, name); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return failing("drop "+name, err)
	}
	return nil
}

// each calls a function for all names with a prefix.
func (s *Store) each(ctx context.Context, prefix string, visit func(*blob.ListObject) error) error {
	list := s.bucket.List(&blob.ListOptions{Prefix: prefix})
	for {
		object, err := list.Next(ctx)
		if err == io.EOF { //nolint:errorlint // the library's own end, unwrapped
			return nil
		}
		if err != nil {
			return failing("list "+prefix, err)
		}
		if strings.HasSuffix(object.Key, "/") {
			continue
		}
		if err := visit(object); err != nil {
			return err
		}
	}
}
