package queue

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// JobQuery says which jobs are listed, the newest first.
type JobQuery struct {
	// Runner is whose jobs; "" is all runners.
	Runner string
	// State is which; "" is all.
	State State
	// From and Until bound the time of acceptance; zero is no bound. From is
	// included, Until is not.
	From, Until time.Time
	// Cursor is what [JobPage] said to go on with; "" is from the start.
	Cursor string
	// Limit is how many at most, 1 to 1000.
	Limit int
}

// JobPage is a part of a list of jobs.
type JobPage struct {
	Jobs []Job
	// Next goes on behind the last of them; "" if there is nothing more. A page
	// may have fewer jobs than asked for, even none, and still go on.
	Next string
}

// maxPage is the longest page of a list.
const maxPage = 1000

// scanned is how many records one page looks at, for each runner, to find jobs of
// the state that is asked for.
const scanned = 1000

// mark is where a page of jobs ends: the acceptance in µs and the id of its last
// job. Lists go from new to old, and by id among those of one moment.
type mark struct {
	created int64
	id      string
}

func (m mark) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(m.created, 10) + " " + m.id))
}

func markOf(cursor string) (mark, error) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	created, id, ok := strings.Cut(string(raw), " ")
	n, numberErr := strconv.ParseInt(created, 10, 64)
	if err != nil || !ok || numberErr != nil || id == "" {
		return mark{}, fmt.Errorf("%w: %q is not a cursor of a list of jobs", ErrMalformed, cursor)
	}
	return mark{n, id}, nil
}

// before reports whether a job comes before m in a list, or is m.
func (m mark) before(created int64, id string) bool {
	return created > m.created || (created == m.created && id >= m.id)
}

// Jobs lists jobs, the newest first. It returns [ErrMalformed] for a query that
// it does not understand.
func (q *Queue) Jobs(ctx context.Context, query JobQuery) (JobPage, error) {
	if query.Limit < 1 || query.Limit > maxPage {
		return JobPage{}, fmt.Errorf("%w: a page of %d jobs, want 1 to %d", ErrMalformed, query.Limit, maxPage)
	}
	from := mark{created: math.MaxInt64}
	if query.Cursor != "" {
		var err error
		if from, err = markOf(query.Cursor); err != nil {
			return JobPage{}, err
		}
	}
	runners := []string{query.Runner}
	if query.Runner == "" {
		var err error
		if runners, err = q.Runners(ctx); err != nil {
			return JobPage{}, err
		}
	}
	var all []Job
	horizon := mark{created: math.MinInt64}
	for _, runner := range runners {
		part, to, err := q.jobsOf(ctx, runner, query, from)
		if err != nil {
			return JobPage{}, err
		}
		all = append(all, part...)
		if to != nil && horizon.before(to.created, to.id) {
			horizon = *to // what lies behind it is not known of this runner
		}
	}
	return pageOf(all, horizon, query.Limit), nil
}

// pageOf sorts what was found, as far as it is known of all runners.
func pageOf(all []Job, horizon mark, limit int) JobPage {
	slices.SortFunc(all, func(a, b Job) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(b.ID, a.ID))
	})
	var p JobPage
	for _, j := range all {
		if !horizon.before(j.Created.UnixMicro(), j.ID) {
			break
		}
		if len(p.Jobs) == limit {
			last := p.Jobs[limit-1]
			p.Next = mark{last.Created.UnixMicro(), last.ID}.String()
			return p
		}
		p.Jobs = append(p.Jobs, j)
	}
	if horizon.id != "" {
		p.Next = horizon.String()
	}
	return p
}

// span are the scores between which a query looks, from a mark on.
func span(query JobQuery, from mark) (low, high string) {
	low, high = "-inf", "+inf"
	if !query.From.IsZero() {
		low = strconv.FormatInt(query.From.UnixMicro(), 10)
	}
	if !query.Until.IsZero() {
		high = "(" + strconv.FormatInt(query.Until.UnixMicro(), 10)
	}
	if from.created != math.MaxInt64 && (query.Until.IsZero() || from.created < query.Until.UnixMicro()) {
		high = strconv.FormatInt(from.created, 10)
	}
	return low, high
}

// jobsOf finds the jobs of one runner that follow from. to is how far it has
// looked; nil if to the end.
func (q *Queue) jobsOf(ctx context.Context, runner string, query JobQuery, from mark) (found []Job, to *mark, err error) {
	const chunk = 100
	low, high := span(query, from)
	for seen := 0; seen < scanned; {
		zs, err := q.redis.ZRevRangeByScoreWithScores(ctx, q.keys.jobs(runner), &redis.ZRangeBy{
			Min: low, Max: high, Offset: int64(seen), Count: chunk,
		}).Result()
		if err != nil {
			return nil, nil, unavailable("list jobs of "+runner, err)
		}
		seen += len(zs)
		var ids []string
		for _, z := range zs {
			id, _ := z.Member.(string)
			to = &mark{int64(z.Score), id}
			if !from.before(to.created, id) {
				ids = append(ids, id)
			}
		}
		jobs, err := q.records(ctx, runner, ids)
		if err != nil {
			return nil, nil, err
		}
		found = slices.AppendSeq(found, ofState(jobs, query.State))
		switch {
		case len(zs) < chunk:
			return found, nil, nil
		case len(found) > query.Limit:
			return found, to, nil
		}
	}
	return found, to, nil
}

// ofState are the jobs of a state, or all.
func ofState(jobs []Job, state State) iter.Seq[Job] {
	return func(yield func(Job) bool) {
		for _, j := range jobs {
			if (state == "" || j.State == state) && !yield(j) {
				return
			}
		}
	}
}
