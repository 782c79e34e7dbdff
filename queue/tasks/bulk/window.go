package bulk

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"time"
)

// heldBytes is how much lines and their outcomes may take before no more lines
// are read, and no more outcomes but that of the first line.
const heldBytes = 64 << 20

// fill reads lines as far as the window lets them in: so many in flight, twice as
// many that wait for one before them.
func (r *run) fill(ctx context.Context) error {
	for !r.ended && r.inFlight < r.config.Window && len(r.lines) < 2*r.config.Window && r.bytes < heldBytes {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		raw, long, err := r.input.next()
		if errors.Is(err, io.EOF) {
			r.ended = true
			return nil
		}
		if err != nil {
			return fmt.Errorf("bulk: read the input of batch %s: %w", r.batch.ID, err)
		}
		l := r.read(raw, long)
		r.at++
		if l.n < r.batch.Stored {
			r.place.move(time.Now())
			continue // its outcome is in a part; its custom_id counts
		}
		r.lines = append(r.lines, l)
		r.bytes += l.size()
		r.answers += len(l.answer)
		if l.stage == fresh {
			r.inFlight++
			r.fresh++
		}
	}
	return nil
}

// read makes a line of what it is written as. One that is wrong has ended.
func (r *run) read(raw []byte, long bool) *line {
	l := &line{n: r.at, number: r.input.number}
	var err error
	if long {
		err = fmt.Errorf("the line is longer than %d bytes", r.config.MaxLine)
	} else {
		l.lineCall, err = decodeLine(raw, &r.batch.BatchSpec)
	}
	if l.customID != "" {
		hash := maphash.String(r.seed, l.customID)
		if _, double := r.seen[hash]; double && err == nil {
			err = fmt.Errorf("custom_id %q is that of an earlier line", cut(l.customID))
		}
		r.seen[hash] = struct{}{}
	}
	if err == nil {
		err = l.name(r.batch.ID)
	}
	if err != nil {
		l.end(400, problem(400, "invalid_input", err.Error()))
		r.count(l)
	}
	return l
}

// endLine counts a line that has ended, which is in flight no more.
func (r *run) endLine(l *line, status int, answer []byte) {
	r.bytes -= l.size()
	l.end(status, answer)
	r.bytes += l.size()
	r.answers += len(l.answer)
	r.inFlight--
	r.count(l)
}

func (r *run) count(l *line) {
	r.place.move(time.Now())
	if l.n < r.batch.Stored {
		return
	}
	if l.failed() {
		r.counts.Failed++
	} else {
		r.counts.Completed++
	}
	now := r.counts
	r.keep.progress.Store(&now)
}

// settle puts the lines that have ended, as far as all before them have, into
// the part, and has it stored when that is due.
func (r *run) settle(now time.Time) (err error) {
	for len(r.lines) > 0 && r.lines[0].stage == over {
		l := r.lines[0]
		r.lines[0] = nil
		r.lines = r.lines[1:]
		r.bytes -= l.size()
		r.answers -= len(l.answer)
		r.part.add(now, l, &r.batch)
		if err := r.hand(now); err != nil {
			return err
		}
	}
	return r.hand(now)
}

// hand has the part stored if that is due, and begins another one.
func (r *run) hand(now time.Time) (err error) {
	if r.part.due(now, &r.config) {
		r.part, err = r.stored.put(r.part)
	}
	return err
}
