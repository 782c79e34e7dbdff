//go:build unix

package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// grace is how long a call may go on that nobody wants any more, before the
// process is killed.
const grace = time.Second

// remembered is the largest frame whose memory is kept for the next one.
const remembered = 1 << 20

// errGone is that a process has ended before it was called.
var errGone = errors.New("the process has ended")

// call executes a method of the process: parts[a][c] is argument a of call c. When
// it returns, the process has ended or can take the next one. Calls wait for each
// other.
func (c *child) call(ctx context.Context, method int, sig *runnables.Signature, parts [][]tensor.Tensor) (runnables.Outputs, error) {
	c.calling.Lock()
	defer c.calling.Unlock()
	if !c.alive() {
		return runnables.Outputs{}, errGone
	}
	c.useful.Store(true)
	c.sent++
	slot := c.slots.take()
	frame, err := c.encode(method, sig, parts, slot)
	if err != nil {
		c.slots.free(slot)
		return runnables.Outputs{}, err
	}
	unhook := c.limit(ctx)
	var h header
	var body []byte
	if err = broken(c.channel.send(frame)); err == nil {
		h, body, err = c.channel.receive()
		err = broken(err)
	}
	unhook()
	var out runnables.Outputs
	var used bool
	if err == nil {
		out, used, err = c.answer(h, body, slot, sig)
	}
	if !used {
		c.slots.free(slot)
	}
	return out, c.verdict(ctx, err)
}

// limit bounds a call by ctx: by its deadline, and, when it is canceled, by a
// little while more. unhook ends that.
func (c *child) limit(ctx context.Context) (unhook func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	hooked := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(hooked)
		latest := time.Now()
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			latest = latest.Add(grace)
			if deadline, ok := ctx.Deadline(); ok && deadline.Before(latest) {
				latest = deadline
			}
		}
		_ = c.channel.conn.SetDeadline(latest)
	})
	return func() {
		if !stop() {
			<-hooked
			_ = c.channel.conn.SetDeadline(time.Time{})
		}
	}
}

// lastMoments is how long a process that has closed its channel may take to end,
// so that it can be told how it did.
const lastMoments = 500 * time.Millisecond

// verdict makes of what went wrong in a call what its caller is to know. Where
// the process cannot be used any more it has ended.
func (c *child) verdict(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.kill("a call did not end in time")
		<-c.ended
		return fmt.Errorf("the call did not end and was stopped, with the process that ran it: %w", context.Cause(ctx))
	case errors.Is(err, errProtocol):
		c.kill(err.Error())
		<-c.ended
	case isBroken(err):
		timer := time.NewTimer(lastMoments)
		defer timer.Stop()
		select {
		case <-c.ended:
		case <-timer.C:
			c.kill("it closed its channel")
			<-c.ended
		}
	default:
		return err
	}
	return fmt.Errorf("%w: its process %s", runnables.ErrCrashed, c.how)
}

// brokenError is a channel that is of no use any more.
type brokenError struct{ error }

func (e brokenError) Unwrap() error { return e.error }

func isBroken(err error) bool {
	_, ok := errors.AsType[brokenError](err)
	return ok
}

// encode writes a CALL frame, in memory that the next one reuses. Large arguments
// are joined in the region of inputs, others in the frame.
func (c *child) encode(method int, sig *runnables.Signature, parts [][]tensor.Tensor, slot uint32) ([]byte, error) {
	rows, inline, err := c.arrange(sig, parts)
	if err != nil {
		return nil, err
	}
	b := appendHeader(c.frame[:0], frameCall, c.sent)
	b = appendPayloadHeader(b, payload{method: method, rows: rows, slot: slot, values: c.values})
	for _, v := range c.values {
		b = appendValueHeader(b, v)
	}
	b = slices.Grow(b, inline)
	for a, v := range c.values {
		if v.omitted || v.region {
			continue
		}
		n := len(b)
		b = b[:n+v.size]
		if err := join(b[n:], sig, parts[a]); err != nil {
			return nil, err
		}
	}
	if cap(b) <= remembered {
		c.frame = b
	}
	return b, setLength(b)
}

// arrange says in values where each argument is, and puts the large ones there.
// inline is the size of the others.
func (c *child) arrange(sig *runnables.Signature, parts [][]tensor.Tensor) (rows, inline int, err error) {
	if len(parts) != len(sig.Inputs) || len(parts) > maxValues {
		return 0, 0, fmt.Errorf("method %q takes %d arguments, not %d", sig.Name, len(sig.Inputs), len(parts))
	}
	c.values = slices.Grow(c.values[:0], len(parts))[:len(parts)]
	rows, end := 1, 0
	for a, ts := range parts {
		v, err := joined(sig, ts)
		if err != nil {
			return 0, 0, fmt.Errorf("argument %q of method %q: %w", sig.Inputs[a].Name, sig.Name, err)
		}
		if v.size < inlineMax {
			inline += v.size
		} else {
			v.region, v.offset = true, (end+alignment-1)/alignment*alignment
			end = v.offset + v.size
			err := c.input.write(v.offset, v.size, func(dst []byte) error { return join(dst, sig, ts) })
			if err != nil {
				return 0, 0, err
			}
		}
		if sig.Batchable && !v.omitted {
			rows = v.shape[sig.BatchDim.In]
		}
		c.values[a] = v
	}
	return rows, inline, nil
}

// joined describes the tensor that an argument's parts make.
func joined(sig *runnables.Signature, ts []tensor.Tensor) (value, error) {
	switch {
	case len(ts) == 0 || (len(ts) > 1 && !sig.Batchable):
		return value{}, fmt.Errorf("there are %d values of it", len(ts))
	case !ts[0].DType().Valid():
		if slices.ContainsFunc(ts, func(t tensor.Tensor) bool { return t.DType().Valid() }) {
			return value{}, errors.New("some calls leave it out and others do not")
		}
		return value{omitted: true}, nil
	case len(ts) == 1:
		t := ts[0]
		if sig.Batchable {
			if _, err := t.Rows(sig.BatchDim.In); err != nil {
				return value{}, err
			}
		}
		return value{dtype: t.DType(), shape: t.Shape(), size: len(t.Data())}, nil
	default:
		shape, size, err := tensor.ConcatShape(sig.BatchDim.In, ts)
		return value{dtype: ts[0].DType(), shape: shape, size: size}, err
	}
}

// join writes the data of the tensor that an argument's parts make.
func join(dst []byte, sig *runnables.Signature, ts []tensor.Tensor) error {
	if len(ts) == 1 {
		copy(dst, ts[0].Data())
		return nil
	}
	return tensor.ConcatInto(dst, sig.BatchDim.In, ts)
}

// answer reads what a call was answered with. used: the slot is in use until the
// outputs are released.
func (c *child) answer(h header, body []byte, slot uint32, sig *runnables.Signature) (out runnables.Outputs, used bool, err error) {
	if h.id != c.sent {
		return out, false, fmt.Errorf("%w: a %s frame with id %d, want %d", errProtocol, h.kind, h.id, c.sent)
	}
	switch h.kind {
	case frameResult:
	case frameError:
		return out, false, c.failed(body, sig)
	default:
		return out, false, fmt.Errorf("%w: a %s frame in answer to a call", errProtocol, h.kind)
	}
	p, err := parsePayload(body)
	if err != nil {
		return out, false, err
	}
	if p.slot != noSlot && p.slot != slot {
		return out, false, fmt.Errorf("%w: outputs in region %d, want %d", errProtocol, p.slot, slot)
	}
	if err := c.reach(p); err != nil {
		return out, false, err
	}
	tensors := make([]tensor.Tensor, len(p.values))
	for i, v := range p.values {
		views, err := c.read(&tensors[i], v, p.slot)
		if err != nil {
			return out, false, fmt.Errorf("output %d of method %q: %w", i, sig.Name, err)
		}
		used = used || views
	}
	rows, err := rowErrors(p.tail)
	if err != nil {
		return out, false, err
	}
	out.Tensors = tensors
	if used {
		slots := c.slots
		out.Release = sync.OnceFunc(func() { slots.free(slot) })
	}
	return out, used, rows
}

// reach makes sure that all that a RESULT has in a region can be read.
func (c *child) reach(p payload) error {
	end := -1
	for _, v := range p.values {
		if v.region {
			end = max(end, v.offset+v.size)
		}
	}
	switch {
	case end < 0:
		return nil
	case p.slot == noSlot:
		return fmt.Errorf("%w: outputs in a region, but none is named", errProtocol)
	default:
		return c.slots.regions[p.slot].reach(end)
	}
}

// read makes the tensor of a value. views: its data is in the slot.
func (c *child) read(t *tensor.Tensor, v value, slot uint32) (views bool, err error) {
	data := v.data
	switch {
	case v.omitted:
		return false, fmt.Errorf("%w: it is left out", errProtocol)
	case v.region:
		r := c.slots.regions[slot]
		if data, err = r.read(v.offset, v.size); err != nil {
			return false, err
		}
		views = !r.copied
		if views && v.dtype == tensor.Bytes {
			// Their lengths are believed once they were checked, so nobody may change
			// them any more.
			data, views = slices.Clone(data), false
		}
	}
	if *t, err = tensor.New(v.dtype, v.shape, data); err != nil {
		return false, fmt.Errorf("%w: %w", runnables.ErrOutput, err)
	}
	return views, nil
}

// rowErrors reads the tail of a RESULT. It is nil if no row failed; other errors
// than [runnables.RowErrors] wrap errProtocol.
func rowErrors(tail []byte) (failed, err error) {
	if len(tail) == 0 {
		return nil, nil
	}
	var rows rowFailures
	if err := parseMessage(frameResult, tail, &rows); err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, nil
	}
	errs := make(runnables.RowErrors, len(rows))
	for row, f := range rows {
		errs[row] = f.err()
	}
	return errs, nil
}

// failed is the error that an ERROR frame tells of.
func (c *child) failed(body []byte, sig *runnables.Signature) error {
	var f failure
	if err := parseMessage(frameError, body, &f); err != nil {
		return err
	}
	if f.Reason == reasonProtocol {
		return fmt.Errorf("%w: the process says: %s", errProtocol, f.Message)
	}
	if f.Traceback != "" && f.Reason != reasonInput {
		c.log.Warn("method failed", "method", sig.Name, "reason", f.Reason, "err", f.Message, "traceback", f.Traceback)
	}
	return f.err()
}

// broken marks the errors of a channel, but not those that say more themselves.
func broken(err error) error {
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errProtocol) {
		return err
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return brokenError{err}
}
