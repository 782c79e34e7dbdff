package ekiben

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// bulkCall runs a method for every line of a file, as a batch of the gateway's.
// What it has begun is noted in a file beside the output, so that the same command
// goes on where it was stopped.
type bulkCall struct {
	remote         *remote
	runner, method string
	in, out        string
	// raw: each line is the input itself, and its custom_id is its number.
	raw bool
	// shown is where progress is shown; nil: nowhere.
	shown io.Writer
	// every is how often it is asked for.
	every time.Duration
}

// bulk reports whether a file of lines is to be run.
func (in *callInput) bulk() bool { return in.out != "" || in.lines }

// callAll runs the method for every line of the file.
func (in *callInput) callAll(c *cobra.Command, r *remote, args []string) error {
	switch {
	case in.file == "" || in.file == "-":
		return errors.New("--out needs --file with one call a line")
	case in.out == "":
		return errors.New("--lines needs --out, where the results go")
	case !in.lines && !strings.HasSuffix(in.file, ".jsonl"):
		return errors.New("--out needs a file of calls that ends in .jsonl, or --lines for one input a line")
	}
	call := bulkCall{remote: r, runner: args[0], method: args[1], in: in.file, out: in.out, raw: in.lines, every: time.Second / 2}
	if isTerminal(os.Stderr) {
		call.shown = c.ErrOrStderr()
	}
	return call.run(c.Context())
}

// run runs the batch to its end, or goes on with it.
func (c *bulkCall) run(ctx context.Context) error {
	state, err := c.state()
	if err != nil {
		return err
	}
	if state.Batch == "" {
		if err := c.upload(ctx, &state); err != nil {
			return err
		}
	}
	b, err := c.await(ctx, state.Batch)
	if isGone(err) {
		return c.gone(state.Batch, err)
	}
	if err != nil {
		return fmt.Errorf("%w\nbatch %s goes on; the same command comes back to it", err, state.Batch)
	}
	if b.Status == "failed" {
		why := "unknown reasons"
		if b.Errors != nil && len(b.Errors.Data) > 0 {
			why = b.Errors.Data[0].Message
		}
		return errors.Join(fmt.Errorf("batch %s failed: %s", b.ID, why), os.Remove(c.statePath()))
	}
	if err := c.download(ctx, b.ID); isGone(err) {
		return c.gone(b.ID, err)
	} else if err != nil {
		return err
	}
	if err := os.Remove(c.statePath()); err != nil {
		return fmt.Errorf("remove the note: %w", err)
	}
	switch {
	case b.Status == "cancelled":
		return fmt.Errorf("batch %s was canceled; what was done is in %s", b.ID, c.out)
	case b.Counts.Failed > 0:
		return fmt.Errorf("%d of %d lines failed, see \"error\" in %s", b.Counts.Failed, b.Counts.Total, c.out)
	}
	return nil
}

// isGone reports whether a gateway does not know what it was asked for, and so never
// will.
func isGone(err error) bool {
	said, ok := errors.AsType[*refusedError](err)
	return ok && said.status == http.StatusNotFound
}

// gone is the error of a batch that was begun and is not there any more.
func (c *bulkCall) gone(id string, err error) error {
	return fmt.Errorf("batch %s is gone, as batches are some time after their end: %w\nremove %s to run the file anew", id, err, c.statePath())
}

// upload makes a batch of the file, and notes it.
func (c *bulkCall) upload(ctx context.Context, s *bulkState) error {
	f, err := os.Open(c.in)
	if err != nil {
		return fmt.Errorf("--file: %w", err)
	}
	defer func() { _ = f.Close() }()
	plain, err := withoutMark(f)
	if err != nil {
		return fmt.Errorf("--file: %w", err)
	}
	var body io.Reader = plain
	if c.raw {
		wrapped, to := io.Pipe()
		defer func() { _ = wrapped.Close() }()
		go func() { to.CloseWithError(wrapLines(to, plain)) }()
		body = wrapped
	}
	path := "/v1/batches?" + url.Values{"runner": {c.runner}, "method": {c.method}}.Encode()
	res, err := c.remote.open(ctx, http.MethodPost, path, body, http.Header{
		"Content-Type": {"application/jsonl"}, "Idempotency-Key": {s.Key},
	})
	if err != nil {
		return err // what is noted has the key: an upload that arrived all the same is not made twice
	}
	defer func() { _ = res.Body.Close() }()
	var b batchAnswer
	if err := json.NewDecoder(res.Body).Decode(&b); err != nil || b.ID == "" {
		return fmt.Errorf("the gateway's answer is no batch: %w", err)
	}
	s.Batch = b.ID
	return c.save(*s)
}

// withoutMark skips the mark that some editors begin UTF-8 with: it is no JSON.
func withoutMark(from io.Reader) (*bufio.Reader, error) {
	const mark = "\uFEFF"
	r := bufio.NewReader(from)
	begin, err := r.Peek(len(mark))
	if err == nil && string(begin) == mark {
		_, err = r.Discard(len(mark))
	}
	if errors.Is(err, io.EOF) {
		err = nil // it is shorter
	}
	return r, err
}

// wrapLines makes calls of lines that are inputs.
func wrapLines(to io.Writer, r *bufio.Reader) error {
	w := bufio.NewWriter(to)
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			_, _ = fmt.Fprintf(w, "{\"custom_id\":\"%d\",\"input\":%s}", n, line)
		}
		if err == nil {
			_ = w.WriteByte('\n') // Flush tells
			continue
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return errors.Join(err, w.Flush())
	}
}

// askAgain is how many times in a row the gateway may be away while it is asked.
const askAgain = 20

// await shows the progress of a batch until it has ended.
func (c *bulkCall) await(ctx context.Context, id string) (batchAnswer, error) {
	tick := time.NewTicker(c.every)
	defer tick.Stop()
	var p progress
	for away := 0; ; {
		var b batchAnswer
		answer, err := c.remote.do(ctx, http.MethodGet, batchPath(id), nil)
		if err == nil {
			err = json.Unmarshal(answer, &b)
		}
		if err != nil {
			if away++; away > askAgain || isGone(err) || ctx.Err() != nil {
				return b, err
			}
		} else {
			away = 0
			if c.shown != nil {
				p.show(c.shown, &b, time.Now())
			}
		}
		if b.ended() {
			return b, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return b, context.Cause(ctx)
		}
	}
}

// download writes the outcomes in the order of the input: results and errors,
// merged by the number of the line.
func (c *bulkCall) download(ctx context.Context, id string) (err error) {
	part := c.out + ".part"
	f, err := os.Create(part)
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	w := bufio.NewWriter(f)
	err = c.merge(ctx, w, id)
	if err = errors.Join(err, w.Flush(), f.Close()); err != nil {
		return fmt.Errorf("download the results of %s: %w", id, err)
	}
	if err := os.Rename(part, c.out); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	return nil
}

func (c *bulkCall) merge(ctx context.Context, to io.Writer, id string) error {
	var sources [2]outcomeLines
	for i, what := range []string{"/results", "/errors"} {
		res, err := c.remote.open(ctx, http.MethodGet, batchPath(id)+what, nil, nil)
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		sources[i].from = bufio.NewReader(res.Body)
		if err := sources[i].advance(); err != nil {
			return err
		}
	}
	for {
		next := &sources[0]
		if len(next.line) == 0 || len(sources[1].line) > 0 && sources[1].number < next.number {
			next = &sources[1]
		}
		if len(next.line) == 0 {
			return nil
		}
		if _, err := to.Write(next.line); err != nil {
			return err
		}
		if err := next.advance(); err != nil {
			return err
		}
	}
}

// outcomeLines reads outcomes; line is the next one, empty at the end.
type outcomeLines struct {
	from   *bufio.Reader
	line   []byte
	number int
}

func (o *outcomeLines) advance() (err error) {
	o.line, err = o.from.ReadBytes('\n')
	if errors.Is(err, io.EOF) && len(o.line) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("an outcome is cut off: %w", err)
	}
	var is struct {
		Line int `json:"line"`
	}
	if err := json.Unmarshal(o.line, &is); err != nil {
		return fmt.Errorf("an outcome is no JSON: %w", err)
	}
	o.number = is.Line
	return nil
}
