package runnerfile

import (
	"fmt"
	"reflect"

	"github.com/ekiben/ekiben/runnables"
)

// runners are all runners of the file, in its order.
type runners struct {
	shared layer
	all    []layer
}

// layer are options with the node that they come from.
type layer struct {
	name string
	at   place
	node *node
	options
}

func (r *runners) decode(d decoder, of option, n *node) bool {
	switch {
	case n.null():
	case n.form == list:
		r.list(d, n)
	case n.form == table:
		r.table(d, of, n)
	default:
		return d.wants(of, n, "a list of runners, or a map by their names")
	}
	return true
}

// list reads the list form.
func (r *runners) list(d decoder, n *node) {
	for i, item := range n.items {
		if item.null() {
			d.faults.add(item.at, "runner %d is empty", i+1)
			continue
		}
		var e entry
		if d.into(reflect.ValueOf(&e).Elem(), owned("runner", i, item), item) {
			r.add(d, layer{e.Name, item.at, item, e.options})
		}
	}
}

// table reads the map form.
func (r *runners) table(d decoder, of option, n *node) {
	known, own := fieldsOf(reflect.TypeFor[shared]()), fieldsOf(reflect.TypeFor[options]())
	common := &node{at: n.at, form: table}
	for _, f := range n.fields {
		if _, ok := known[f.key]; !ok {
			if _, option := own[f.key]; option && f.value.read().form != table && !f.value.null() {
				d.faults.add(f.at, "%s is an option, and here are runners by their names: what holds for all of them is in runner_defaults", f.key)
				continue
			}
			var o options
			if f.value.null() || d.into(reflect.ValueOf(&o).Elem(), option{owner: fmt.Sprintf("runner %q: ", f.key), at: f.at}, f.value) {
				r.add(d, layer{f.key, f.at, f.value, o})
			}
			continue
		}
		if _, runner := f.value.field("runnable"); runner {
			d.faults.add(f.at, "%s", runnables.Reserved(f.key))
			continue
		}
		common.fields = append(common.fields, f)
	}
	var s shared
	d.into(reflect.ValueOf(&s).Elem(), of, common)
	r.shared = layer{node: common, options: s.options()}
}

// add takes a runner whose name is nobody else's.
func (r *runners) add(d decoder, l layer) {
	if f, ok := l.node.field("name"); ok {
		l.at = f.at
	}
	if err := runnables.Reserved(l.name); err != nil {
		d.faults.add(l.at, "%s", err)
		return
	}
	for _, other := range r.all {
		if other.name == l.name && l.name != "" {
			d.faults.add(l.at, "runner %q is there twice", l.name)
			return
		}
	}
	r.all = append(r.all, l)
}

// schedules are all schedules of the file, each with its place.
type schedules struct {
	all []scheduleEntry
	at  []place
}

func (s *schedules) decode(d decoder, option option, n *node) bool {
	if n.null() {
		return true
	}
	if n.form != list {
		return d.wants(option, n, "a list")
	}
	for i, item := range n.items {
		var e scheduleEntry
		if item.null() {
			d.faults.add(item.at, "schedule %d is empty", i+1)
		} else if d.into(reflect.ValueOf(&e).Elem(), owned("schedule", i, item), item) {
			s.all, s.at = append(s.all, e), append(s.at, item.at)
		}
	}
	return true
}
