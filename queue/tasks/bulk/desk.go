package bulk

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// ErrNoFile means that nothing is stored under a name. It is
// [queue.ErrUnknownFile].
var ErrNoFile = queue.ErrUnknownFile

// ledger keeps the records of batches; it is *[queue.Queue].
type ledger interface {
	SaveBatch(ctx context.Context, id string, spec queue.BatchSpec, total int) (queue.Batch, error)
	Batch(ctx context.Context, id string) (queue.Batch, error)
	BatchParts(ctx context.Context, id, kind string, n int) ([]string, error)
	OpenBatches(ctx context.Context, limit int) ([]string, error)
}

// Desk takes files and batches in, and hands outcomes out. It is safe for
// concurrent use.
type Desk struct {
	store  *Store
	ledger ledger
	config Config
}

// NewDesk makes a desk.
func NewDesk(c Config, s *Store, l ledger) *Desk { return &Desk{s, l, c} }

// Receive stores a file while it is read. It returns [queue.ErrEmptyFile] for one
// without lines, [queue.ErrFileTooLarge], and the reader's error.
func (d *Desk) Receive(ctx context.Context, name string, from io.Reader) (queue.BatchFile, error) {
	f := queue.BatchFile{ID: fileID + rand.Text(), Name: name, Purpose: "batch", Created: time.Now()}
	c := counter{from: from, most: d.config.MaxBytes, blank: true}
	sum := sha256.New()
	err := d.store.write(ctx, inputName(f.ID), func(w io.Writer) error {
		_, err := io.Copy(io.MultiWriter(w, sum), &c)
		switch {
		case err != nil && c.err == nil:
			return failing("store a file", err)
		case err != nil:
			return c.err
		case c.total() == 0:
			return queue.ErrEmptyFile
		case c.total() > d.config.MaxLines:
			return fmt.Errorf("%w: it has %d lines, at most %d are taken", queue.ErrFileTooLarge, c.total(), d.config.MaxLines)
		}
		return nil
	})
	if err != nil {
		return queue.BatchFile{}, err
	}
	f.Bytes, f.Lines, f.Digest = c.bytes, c.total(), hex.EncodeToString(sum.Sum(nil))
	card, err := json.Marshal(f)
	if err != nil {
		return queue.BatchFile{}, fmt.Errorf("bulk: describe a file: %w", err)
	}
	err = d.store.write(ctx, cardName(f.ID), func(w io.Writer) error {
		if _, err := w.Write(card); err != nil {
			return failing("describe a file", err)
		}
		return nil
	})
	return f, err
}

// counter counts what is read: bytes, and lines that are not blank.
type counter struct {
	from  io.Reader
	most  int64
	bytes int64
	lines int
	// blank: nothing but space since the last end of a line.
	blank bool
	err   error
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.bytes += int64(n)
	for rest := p[:n]; len(rest) > 0; {
		line, after, end := bytes.Cut(rest, []byte("\n"))
		c.blank = c.blank && len(bytes.TrimSpace(line)) == 0
		if end {
			c.lines, c.blank = c.total(), true
		}
		rest = after
	}
	if c.bytes > c.most {
		err = fmt.Errorf("%w: at most %d bytes are taken", queue.ErrFileTooLarge, c.most)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// total counts the last line too, if it has no end.
func (c *counter) total() int {
	if c.blank {
		return c.lines
	}
	return c.lines + 1
}

// File describes a file, or returns [queue.ErrUnknownFile].
func (d *Desk) File(ctx context.Context, id string) (queue.BatchFile, error) {
	if batch, kind := outcomesOf(id); kind != "" {
		return d.outcomes(ctx, id, batch, kind)
	}
	if !plainID(id, fileID) {
		return queue.BatchFile{}, queue.ErrUnknownFile
	}
	r, err := d.store.open(ctx, cardName(id))
	if err != nil {
		return queue.BatchFile{}, err
	}
	defer func() { _ = r.Close() }()
	var f queue.BatchFile
	if err := json.NewDecoder(r).Decode(&f); err != nil {
		return queue.BatchFile{}, fmt.Errorf("bulk: description of file %s: %w", id, err)
	}
	return f, nil
}

func (d *Desk) outcomes(ctx context.Context, id, batch, kind string) (queue.BatchFile, error) {
	b, err := d.ledger.Batch(ctx, batch)
	if errors.Is(err, queue.ErrUnknownBatch) {
		return queue.BatchFile{}, queue.ErrUnknownFile
	}
	if err != nil {
		return queue.BatchFile{}, err
	}
	f := queue.BatchFile{ID: id, Purpose: "batch_output", Name: id + ".jsonl", Bytes: b.ResultBytes, Lines: b.Stored - b.StoredFailed, Created: b.Created}
	if kind == kindErrors {
		f.Bytes, f.Lines = b.ErrorBytes, b.StoredFailed
	}
	return f, nil
}

// Open reads a file: one that came, or outcomes of a batch as far as they are
// stored. It returns [queue.ErrUnknownFile].
func (d *Desk) Open(ctx context.Context, id string) (io.ReadCloser, error) {
	batch, kind := outcomesOf(id)
	if kind == "" {
		if !plainID(id, fileID) {
			return nil, queue.ErrUnknownFile
		}
		return d.store.open(ctx, inputName(id))
	}
	b, err := d.ledger.Batch(ctx, batch)
	if errors.Is(err, queue.ErrUnknownBatch) {
		return nil, queue.ErrUnknownFile
	}
	if err != nil {
		return nil, err
	}
	n := b.Results
	if kind == kindErrors {
		n = b.Errors
	}
	names, err := d.ledger.BatchParts(ctx, batch, kind, n)
	if err != nil {
		return nil, err
	}
	return &parts{open: func(name string) (io.ReadCloser, error) { return d.store.open(ctx, name) }, names: names}, nil
}

// parts reads stored parts one after the other.
type parts struct {
	open  func(string) (io.ReadCloser, error)
	names []string
	now   io.ReadCloser
}

func (p *parts) Read(b []byte) (int, error) {
	for {
		if p.now == nil {
			if len(p.names) == 0 {
				return 0, io.EOF
			}
			var err error
			if p.now, err = p.open(p.names[0]); err != nil {
				return 0, err
			}
			p.names = p.names[1:]
		}
		n, err := p.now.Read(b)
		if errors.Is(err, io.EOF) {
			err = errors.Join(p.Close())
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// Close ends the reading.
func (p *parts) Close() error {
	if p.now == nil {
		return nil
	}
	err := p.now.Close()
	p.now = nil
	return err //nolint:wrapcheck // the store's own
}

// Create makes a batch of a file that has come, and returns it; the engines find
// it. A batch that was made with the same key by the same caller before is
// returned as it is, unless its file was another: [queue.ErrKeyReused].
func (d *Desk) Create(ctx context.Context, spec queue.BatchSpec) (queue.Batch, error) {
	f, err := d.File(ctx, spec.File)
	if err != nil {
		return queue.Batch{}, err
	}
	if f.Lines < 1 || f.Purpose != "batch" {
		return queue.Batch{}, queue.ErrEmptyFile
	}
	spec.Digest = f.Digest
	id := "batch" + rand.Text()
	if spec.Key != "" {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %s", len(spec.Caller), spec.Caller, spec.Key))
		id = "batch" + hex.EncodeToString(sum[:16])
	}
	b, err := d.ledger.SaveBatch(ctx, id, spec, f.Lines)
	if err == nil && (b.Digest != spec.Digest || b.Runner != spec.Runner || b.Method != spec.Method || b.Endpoint != spec.Endpoint) {
		return queue.Batch{}, queue.ErrKeyReused
	}
	return b, err
}
