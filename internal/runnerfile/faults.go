package runnerfile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// place is where something is in the file, both counted from 1. The zero place is
// nowhere in particular.
type place struct{ line, column int }

// fault is one thing that is wrong.
type fault struct {
	at   place
	text string
}

// faults are all of them.
type faults struct {
	all  []fault
	seen map[fault]bool
}

// add notes a fault once, however often it is found: what all runners share is
// read for each.
func (fs *faults) add(at place, format string, args ...any) {
	f := fault{at, fmt.Sprintf(format, args...)}
	if fs.seen[f] {
		return
	}
	if fs.seen == nil {
		fs.seen = map[fault]bool{}
	}
	fs.seen[f] = true
	fs.all = append(fs.all, f)
}

// places are where there are faults.
func (fs *faults) places() map[place]bool {
	all := map[place]bool{}
	for _, f := range fs.all {
		all[f.at] = true
	}
	return all
}

// err joins the faults in the order of the file, nil if there are none.
func (fs *faults) err() error {
	slices.SortStableFunc(fs.all, func(a, b fault) int {
		return cmp.Or(cmp.Compare(a.at.line, b.at.line), cmp.Compare(a.at.column, b.at.column))
	})
	errs := make([]error, len(fs.all))
	for i, f := range fs.all {
		errs[i] = errors.New(f.text)
		if f.at != (place{}) {
			errs[i] = fmt.Errorf("[%d:%d] %s", f.at.line, f.at.column, f.text)
		}
	}
	return errors.Join(errs...)
}
