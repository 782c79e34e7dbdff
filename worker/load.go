package worker

import (
	"fmt"
	"time"

	"github.com/ekiben/ekiben/batching"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// load is a cut, decoded and ordered into batches. The puller makes it and hands
// it over to the executor.
type load struct {
	// asked is when the cut was asked for, by this process's clock. The cut in
	// Redis came later, so deadlines counted from here are never too late.
	asked time.Time

	deliveries []queue.Delivery

	// batches run one after the other; reason is why the first of them goes.
	batches []batch
	reason  batching.Reason

	// refused are the calls that do not fit this worker's signature.
	refused []queue.Outcome

	// more calls waited behind the cut. now is the queue's clock and arrived its
	// counter then.
	more    bool
	now     time.Duration
	arrived int64

	// round is the renewal before which the load was held, fresh when its leases
	// were known to be good. They belong to the claims.
	round int
	fresh time.Time
}

// batch is what is executed together: calls of one group, of at most maxRows
// rows unless there is only one.
type batch struct {
	method *method
	items  []item
	rows   int
}

// item is a call in hand.
type item struct {
	delivery *queue.Delivery
	method   *method
	inputs   []tensor.Tensor // in the order of the signature
	rows     int

	// The first execution must begin before startBy, any before the deadline.
	startBy, deadline time.Time
	begun             bool // an execution has
}

// late is why the call must not be executed now, or nil.
func (it *item) late(now time.Time) *queue.CallError {
	switch {
	case !now.Before(it.deadline) && it.begun:
		return expired(tooSlow)
	case !now.Before(it.deadline):
		return expired("the deadline passed before the call was executed")
	case !it.begun && !now.Before(it.startBy):
		return expired("the time to start within passed before the call was executed")
	}
	return nil
}

// methods are those of one instance, by name.
type methods map[string]*method

// plan orders the deliveries of a cut into batches. Groups follow one another in
// the order of their first call, calls keep their order within a group.
func (ms methods) plan(ds []queue.Delivery, asked time.Time) *load {
	l := &load{asked: asked, deliveries: ds}
	items := make([]item, 0, len(ds))
	for i := range ds {
		it, err := ms.item(&ds[i], asked)
		if err != nil {
			l.refused = append(l.refused, queue.Outcome{Delivery: ds[i], Reply: queue.Reply{Err: mismatch(err)}})
			continue
		}
		items = append(items, it)
	}
	for len(items) > 0 {
		var group []item
		group, items = cutGroup(items)
		l.batches = appendPieces(l.batches, group)
	}
	return l
}

// item checks a delivery against the signature of its method.
func (ms methods) item(d *queue.Delivery, asked time.Time) (item, error) {
	m, ok := ms[d.Method]
	if !ok {
		return item{}, fmt.Errorf("there is no method %q", d.Method)
	}
	inputs, rows, err := runnables.CheckInputs(m.Signature, d.Inputs)
	if err != nil {
		return item{}, err
	}
	return item{
		delivery: d, method: m, inputs: inputs, rows: rows, startBy: asked.Add(d.StartLeft), deadline: asked.Add(d.Left),
	}, nil
}

// joins reports whether other can run together with it.
func (it *item) joins(other *item) bool {
	return it.method == other.method && it.method.Batchable && it.delivery.Group == other.delivery.Group
}

// cutGroup separates the calls that can run with the first one from the rest.
func cutGroup(items []item) (group, rest []item) {
	n := 1
	for n < len(items) && items[0].joins(&items[n]) {
		n++
	}
	if n == len(items) || !items[0].method.Batchable {
		return items[:n:n], items[n:]
	}
	group = append(group, items[:n]...)
	for i := n; i < len(items); i++ {
		if items[0].joins(&items[i]) {
			group = append(group, items[i])
		} else {
			rest = append(rest, items[i])
		}
	}
	return group, rest
}

// appendPieces cuts a group into batches within the limit of its method. A call
// that is larger by itself is a batch by itself.
func appendPieces(bs []batch, group []item) []batch {
	most := group[0].method.maxRows
	for len(group) > 0 {
		n, rows := 1, group[0].rows
		for n < len(group) && rows+group[n].rows <= most {
			rows += group[n].rows
			n++
		}
		bs = append(bs, batch{method: group[0].method, items: group[:n:n], rows: rows})
		group = group[n:]
	}
	return bs
}
