//go:build unix

package process

import (
	"fmt"
	"slices"
	"sync"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

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
