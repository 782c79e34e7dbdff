package ekiben

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/ekiben/ekiben/gateway"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks/bulk"
)

// openBlobs opens the store of batches: the one that EKIBEN_BLOB_URL names, or, in
// a process that has all parts, a folder of its own. It returns nil where there is
// none.
func (p *process) openBlobs(ctx context.Context) (store *bulk.Store, closed func() error, err error) {
	at := p.settings.Bulk.BlobURL
	closed = func() error { return nil }
	if at == "" && !(p.options.gateway && p.options.tasks) {
		return nil, closed, nil
	}
	if at == "" {
		folder := filepath.Join(p.options.data, "batches")
		if p.options.data == "" {
			if folder, err = os.MkdirTemp("", "ekiben-batches-"); err != nil {
				return nil, closed, fmt.Errorf("folder of batches: %w", err)
			}
			p.log.InfoContext(ctx, "batches are in a temporary folder and gone when this process ends",
				"folder", folder, "to_keep_them", "serve --data DIR, or EKIBEN_BLOB_URL")
			closed = func() error { return os.RemoveAll(folder) }
		}
		if at, err = bulk.FolderURL(folder); err != nil {
			return nil, closed, errors.Join(err, closed())
		}
	}
	if store, err = bulk.OpenStore(ctx, at, p.settings.RedisPrefix); err != nil {
		return nil, closed, errors.Join(err, closed())
	}
	remove := closed
	return store, func() error { return errors.Join(store.Close(), remove()) }, nil
}

// desk takes batches in, where there is a store.
func (p *process) desk() *gateway.Bulk {
	if p.blobs == nil {
		return nil
	}
	return &gateway.Bulk{Desk: bulk.NewDesk(p.settings.Bulk, p.blobs, p.queue), Records: p.queue}
}

// newBatches runs batches, where there is a store.
func (p *process) newBatches() (func(context.Context) error, error) {
	if p.blobs == nil {
		return func(ctx context.Context) error {
			p.log.InfoContext(ctx, "batches are not run here: EKIBEN_BLOB_URL is not set")
			<-ctx.Done()
			return nil
		}, nil
	}
	c := p.settings.Bulk
	c.PartAge = min(c.PartAge, max(p.settings.Retention/4, time.Second)) // until then jobs are all that is known
	calls := bulkCalls{calls: p.gateway.Calls(), queue: p.queue, timeout: min(p.settings.Gateway.MaxTimeout, lineTimeout)}
	engine, err := bulk.NewEngine(c, p.blobs, p.queue, calls, p.log)
	if err != nil {
		return nil, err
	}
	return engine.Run, nil
}

// lineTimeout is how long a line of a batch may wait and run.
const lineTimeout = 24 * time.Hour

// bulkCalls is the way of batches into the queue, as jobs of the low lane.
type bulkCalls struct {
	calls   *gateway.Calls
	queue   *queue.Queue
	timeout time.Duration
}

// Submit makes a job of a line.
func (b bulkCalls) Submit(ctx context.Context, c bulk.Call) error {
	_, err := b.calls.SubmitBody(ctx, gateway.Submission{
		Runner: c.Runner, Method: c.Method, ContentType: "application/json", Body: c.Body, ID: c.ID,
		Caller: c.Caller, Timeout: b.timeout, Lane: queue.Low,
	})
	if err == nil || ctx.Err() != nil {
		return err
	}
	p := b.calls.Problem(ctx, err)
	if p == nil {
		return err
	}
	body, failed := p.MarshalJSON()
	if failed != nil {
		return errors.Join(err, failed)
	}
	status := p.Code.Status()
	return &bulk.Refusal{Status: status, Body: body, Passes: status == http.StatusTooManyRequests ||
		status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout}
}

// Outcomes looks at the jobs of lines.
func (b bulkCalls) Outcomes(ctx context.Context, ids []string, most int64) ([]bulk.Outcome, error) {
	found, err := b.queue.Outcomes(ctx, ids, most)
	if err != nil {
		return nil, err
	}
	all := make([]bulk.Outcome, len(found))
	for i, o := range found {
		switch {
		case o.State == "":
			continue
		case !o.State.Terminal(), o.Unread:
			all[i].State = bulk.Pending
			continue
		case o.State == queue.Canceled:
			all[i].State = bulk.Canceled
		default:
			all[i].State = bulk.Answered
		}
		if all[i].Status, all[i].Body, err = b.calls.OutcomeJSON(ctx, o); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Cancel ends the job of a line, if there is one.
func (b bulkCalls) Cancel(ctx context.Context, id string) error {
	if _, err := b.queue.Cancel(ctx, id); !errors.Is(err, queue.ErrUnknownJob) {
		return err
	}
	return nil
}

// Forget drops the jobs of lines whose outcomes are stored.
func (b bulkCalls) Forget(ctx context.Context, ids []string) error { return b.queue.Forget(ctx, ids) }
