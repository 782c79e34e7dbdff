package gateway_test

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// kept is what a fake queue keeps besides jobs by id. Guarded by its mu once it
// is used.
type kept struct {
	aliases map[queue.Alias]alias
	queries []queue.JobQuery
	letters []queue.DeadLetter
	// refuse is what jobs and letters that are to be run again are refused with,
	// once so many were taken.
	refuse      error
	refuseAfter int
	again       int
	admission   queue.Admission
}

// alias is what a client's key is bound to.
type alias struct {
	digest, id string
	ttl        time.Duration
}

func (q *fakeQueue) Retention() time.Duration { return time.Hour }

func (q *fakeQueue) Claim(_ context.Context, a queue.Alias, digest, id string, ttl time.Duration) (string, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.kept.aliases == nil {
		q.kept.aliases = map[queue.Alias]alias{}
	}
	bound, taken := q.kept.aliases[a]
	switch {
	case !taken:
		q.kept.aliases[a] = alias{digest, id, ttl}
		return id, q.down
	case bound.digest != digest:
		return "", queue.ErrKeyReused
	}
	return bound.id, q.down
}

func (q *fakeQueue) Resolve(_ context.Context, a queue.Alias) (string, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	bound, taken := q.kept.aliases[a]
	if !taken {
		return "", cmp.Or(q.down, queue.ErrUnknownJob)
	}
	return bound.id, q.down
}

// Jobs lists by id, and takes the last id of a page as cursor.
func (q *fakeQueue) Jobs(_ context.Context, query queue.JobQuery) (queue.JobPage, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.kept.queries = append(q.kept.queries, query)
	if query.Cursor == "bad" {
		return queue.JobPage{}, queue.ErrMalformed
	}
	var page queue.JobPage
	for _, id := range slices.Sorted(maps.Keys(q.jobs)) {
		if id <= query.Cursor {
			continue
		}
		if len(page.Jobs) == query.Limit {
			page.Next = page.Jobs[len(page.Jobs)-1].ID
			break
		}
		page.Jobs = append(page.Jobs, q.jobs[id])
	}
	return page, q.down
}

func (q *fakeQueue) Retry(_ context.Context, id string, a queue.Admission) (queue.Job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	job, ok := q.jobs[id]
	switch {
	case !ok:
		return queue.Job{}, queue.ErrUnknownJob
	case !job.State.Terminal() || job.State == queue.Succeeded:
		return queue.Job{}, queue.ErrNotRetryable
	}
	if err := q.takeAgain(a); err != nil {
		return queue.Job{}, err
	}
	job.State, job.Attempt, job.Err = queue.Queued, job.Attempt+1, nil
	q.jobs[id] = job
	return job, nil
}

// takeAgain counts what is run again, or refuses it. mu is held.
func (q *fakeQueue) takeAgain(a queue.Admission) error {
	if q.kept.refuse != nil && q.kept.again >= q.kept.refuseAfter {
		return q.kept.refuse
	}
	q.kept.admission = a
	q.kept.again++
	return nil
}

// DeadLetters takes the number of letters before as cursor.
func (q *fakeQueue) DeadLetters(_ context.Context, runner, cursor string, limit int) ([]queue.DeadLetter, string, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.down != nil {
		return nil, "", q.down
	}
	after := 0
	if cursor != "" {
		var err error
		if after, err = strconv.Atoi(cursor); err != nil {
			return nil, "", queue.ErrMalformed
		}
	}
	var letters []queue.DeadLetter
	for _, l := range q.kept.letters {
		number, _ := strconv.Atoi(l.ID)
		if l.Runner == runner && number > after {
			letters = append(letters, l)
		}
	}
	if len(letters) <= limit {
		return letters, "", nil
	}
	return letters[:limit], letters[limit-1].ID, nil
}

func (q *fakeQueue) letter(runner, id string) int {
	return slices.IndexFunc(q.kept.letters, func(l queue.DeadLetter) bool { return l.Runner == runner && l.ID == id })
}

func (q *fakeQueue) DeadLetter(_ context.Context, runner, id string) (queue.DeadLetter, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := q.letter(runner, id)
	if i < 0 {
		return queue.DeadLetter{}, queue.ErrUnknownDeadLetter
	}
	return q.kept.letters[i], q.down
}

func (q *fakeQueue) Redrive(_ context.Context, runner, id string, a queue.Admission) (queue.Job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := q.letter(runner, id)
	switch {
	case i < 0:
		return queue.Job{}, queue.ErrUnknownDeadLetter
	case q.kept.letters[i].Err != nil:
		return queue.Job{}, queue.ErrNotRetryable
	}
	if err := q.takeAgain(a); err != nil {
		return queue.Job{}, err
	}
	call := q.kept.letters[i].Call
	q.bury(slices.Delete(q.kept.letters, i, i+1))
	job := queue.Job{ID: call.ID, Runner: runner, Method: call.Method, State: queue.Queued, Attempt: call.Attempt + 1, Ahead: -1}
	q.jobs[job.ID] = job
	return job, nil
}

func (q *fakeQueue) DropDead(_ context.Context, runner, id string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if id == "" {
		q.bury(slices.DeleteFunc(q.kept.letters, func(l queue.DeadLetter) bool { return l.Runner == runner }))
		return q.down
	}
	i := q.letter(runner, id)
	if i < 0 {
		return queue.ErrUnknownDeadLetter
	}
	q.bury(slices.Delete(q.kept.letters, i, i+1))
	return q.down
}

// bury makes these the dead letters, and the stats count them. mu is held, or
// nobody uses the queue yet.
func (q *fakeQueue) bury(letters []queue.DeadLetter) {
	q.kept.letters = letters
	for name := range q.specs {
		s := q.stats[name]
		s.DeadLetters = 0
		for _, l := range letters {
			if l.Runner == name {
				s.DeadLetters++
			}
		}
		q.stats[name] = s
	}
}

func (q *fakeQueue) SetGate(_ context.Context, runner string, gate queue.Gate) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, ok := q.specs[runner]; !ok {
		return queue.ErrUnknownRunner
	}
	s := q.stats[runner]
	s.Gate = gate
	q.stats[runner] = s
	return q.down
}
