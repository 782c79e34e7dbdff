package tasks

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ekiben/ekiben/queue"
)

// State is where a task is.
type State string

// The states of tasks, in the order in which they are listed.
const (
	// Active: it runs.
	Active State = "active"
	// Retrying: it was tried and is tried again.
	Retrying State = "retrying"
	// Waiting: it runs next.
	Waiting State = "waiting"
	// Scheduled: its time has not come.
	Scheduled State = "scheduled"
	// Failed: it was given up, of a fault that it should not have.
	Failed State = "failed"
)

// States are all of them.
func States() []State { return []State{Active, Retrying, Waiting, Scheduled, Failed} }

// Counts are how many tasks there are in each state.
type Counts map[State]int

// Task is one of them.
type Task struct {
	ID string
	// Kind is later, webhook or sweep; never is a later that was canceled.
	Kind string
	// Job is whose it is; "" is none's.
	Job   string
	State State
	// Next is when it runs; zero if it runs, has failed, or runs as soon as it can.
	Next time.Time
	// LastError is why it did not end when it ran last, and FailedAt is when.
	LastError string
	FailedAt  time.Time
}

// ErrCursor means that a cursor is none that a list gave.
var ErrCursor = errors.New("malformed cursor")

// outstanding is *[queue.Queue]: it knows what asynq does not have yet.
type outstanding interface {
	Runners(ctx context.Context) ([]string, error)
	Stats(ctx context.Context, runners ...string) ([]queue.Stats, error)
	Outstanding(ctx context.Context, runner string, which queue.Outstanding, offset, limit int) ([]queue.Errand, error)
}

// Reader shows tasks, and errands that are none yet. It is safe for concurrent use.
type Reader struct {
	queue     outstanding
	redis     *redis.Client
	inspector *asynq.Inspector
	names     names
}

// NewReader prepares a connection; it does not need the server yet. URL and prefix
// are those of [queue.Config].
func NewReader(url, prefix string, q outstanding) (*Reader, error) {
	client, err := connect(url)
	if err != nil {
		return nil, err
	}
	return &Reader{q, client, asynq.NewInspectorFromRedisClient(client), namesOf(prefix)}, nil
}

// Close closes the connection.
func (r *Reader) Close() error { return r.redis.Close() }

// part is what is in one state in one place.
type part struct {
	state State
	size  int
	// name is asynq's queue; "" is what is outstanding of a runner.
	name   string
	runner string
	which  queue.Outstanding
}

// parts are those of a state, or all with "", in the order in which they are listed.
func (r *Reader) parts(ctx context.Context, state State) ([]part, error) {
	pipe := r.redis.Pipeline()
	var ps []part
	var sizes []*redis.IntCmd
	for _, s := range States() {
		for _, name := range r.names.all() {
			if state != "" && state != s {
				continue
			}
			ps = append(ps, part{state: s, name: name})
			sizes = append(sizes, sizeOf(ctx, pipe, s, name))
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("%w: count tasks: %w", queue.ErrUnavailable, err)
	}
	for i, n := range sizes {
		ps[i].size = int(n.Val())
	}
	more, err := r.errands(ctx, state)
	return append(ps, more...), err
}

// errands are the parts of what asynq does not have yet.
func (r *Reader) errands(ctx context.Context, state State) ([]part, error) {
	runners, err := r.queue.Runners(ctx)
	if err != nil {
		return nil, fmt.Errorf("tasks: list runners: %w", err)
	}
	stats, err := r.queue.Stats(ctx, runners...)
	if err != nil {
		return nil, fmt.Errorf("tasks: count errands: %w", err)
	}
	var ps []part
	for _, s := range stats {
		for _, p := range []part{
			{state: Waiting, size: s.Errands.Due, runner: s.Runner, which: queue.ErrandsDue},
			{state: Scheduled, size: s.Errands.Near, runner: s.Runner, which: queue.JobsNear},
			{state: Scheduled, size: s.Errands.Ahead, runner: s.Runner, which: queue.ErrandsAhead},
		} {
			if state == "" || state == p.state {
				ps = append(ps, p)
			}
		}
	}
	return ps, nil
}

// sizeOf asks how many tasks are in a state.
func sizeOf(ctx context.Context, pipe redis.Pipeliner, state State, name string) *redis.IntCmd {
	switch state {
	case Active:
		return pipe.LLen(ctx, asynqKey(name, "active"))
	case Waiting:
		return pipe.LLen(ctx, asynqKey(name, "pending"))
	case Retrying:
		return pipe.ZCard(ctx, asynqKey(name, "retry"))
	case Scheduled:
		return pipe.ZCard(ctx, asynqKey(name, "scheduled"))
	default:
		return pipe.ZCard(ctx, asynqKey(name, "archived"))
	}
}

// Counts counts the tasks by their state. Errors are [queue.ErrUnavailable].
func (r *Reader) Counts(ctx context.Context) (Counts, error) {
	parts, err := r.parts(ctx, "")
	if err != nil {
		return nil, err
	}
	all := Counts{}
	for _, p := range parts {
		all[p.state] += p.size
	}
	return all, nil
}

// List lists tasks: those in one state, or all where state is "". A page has those
// of one state; next goes on behind it and is "" at the end. limit is 1 to 1000.
// Errors are [ErrCursor] and [queue.ErrUnavailable].
func (r *Reader) List(ctx context.Context, state State, cursor string, limit int) (page []Task, next string, err error) {
	at := position{size: limit, page: 1}
	if cursor != "" {
		if at, err = positionOf(cursor); err != nil {
			return nil, "", err
		}
	}
	parts, err := r.parts(ctx, state)
	if err != nil {
		return nil, "", err
	}
	for more := at.settle(parts); more; more = at.settle(parts) {
		found, err := r.list(ctx, parts[at.part], at)
		if err != nil {
			return nil, "", err
		}
		at.page++
		if len(found) > 0 {
			if at.settle(parts) {
				next = at.String()
			}
			return found, next, nil
		}
	}
	return nil, "", nil
}

// list lists a page of a part.
func (r *Reader) list(ctx context.Context, p part, at position) ([]Task, error) {
	if p.name == "" {
		return r.listErrands(ctx, p, at)
	}
	lists := map[State]func(string, ...asynq.ListOption) ([]*asynq.TaskInfo, error){
		Active: r.inspector.ListActiveTasks, Retrying: r.inspector.ListRetryTasks, Waiting: r.inspector.ListPendingTasks,
		Scheduled: r.inspector.ListScheduledTasks, Failed: r.inspector.ListArchivedTasks,
	}
	found, err := lists[p.state](p.name, asynq.PageSize(at.size), asynq.Page(at.page))
	if errors.Is(err, asynq.ErrQueueNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: list tasks: %w", queue.ErrUnavailable, err)
	}
	page := make([]Task, len(found))
	for i, info := range found {
		page[i] = viewOf(info, p.state)
	}
	return page, nil
}

func (r *Reader) listErrands(ctx context.Context, p part, at position) ([]Task, error) {
	found, err := r.queue.Outstanding(ctx, p.runner, p.which, (at.page-1)*at.size, at.size)
	if err != nil {
		return nil, fmt.Errorf("tasks: list errands: %w", err)
	}
	page := make([]Task, len(found))
	for i, e := range found {
		page[i] = Task{ID: e.ID(), Kind: string(e.Kind), Job: e.Job, State: p.state}
		if p.state == Scheduled {
			page[i].Next = e.At
		}
	}
	return page, nil
}

// viewOf shows a task.
func viewOf(info *asynq.TaskInfo, state State) Task {
	t := Task{ID: info.ID, Kind: info.Type, State: state, LastError: info.LastErr, FailedAt: info.LastFailedAt}
	if e, err := errandOf(asynq.NewTask(info.Type, info.Payload)); err == nil {
		t.Job = e.Job
	}
	if state == Retrying || state == Scheduled {
		t.Next = info.NextProcessAt
	}
	return t
}

// position is where a list goes on: a part, a page from 1, and its size.
type position struct{ part, page, size int }

func (p position) String() string { return fmt.Sprintf("%d.%d.%d", p.part, p.page, p.size) }

// settle moves on to where there is something, and reports whether that is anywhere.
func (p *position) settle(parts []part) bool {
	for ; p.part < len(parts); p.part, p.page = p.part+1, 1 {
		if parts[p.part].size > (p.page-1)*p.size {
			return true
		}
	}
	return false
}

// maxPosition bounds the numbers of a cursor.
const maxPosition = 1 << 20

func positionOf(cursor string) (position, error) {
	parts := strings.Split(cursor, ".")
	if len(parts) != 3 {
		return position{}, ErrCursor
	}
	var n [3]int
	for i, part := range parts {
		v, err := strconv.Atoi(part)
		if err != nil || v < 0 || v > maxPosition {
			return position{}, ErrCursor
		}
		n[i] = v
	}
	p := position{n[0], n[1], n[2]}
	if p.page < 1 || p.size < 1 || p.size > 1000 {
		return position{}, ErrCursor
	}
	return p, nil
}
