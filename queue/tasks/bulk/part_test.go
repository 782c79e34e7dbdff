package bulk_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/tasks/bulk"
)

func TestAPartIsStoredWhenItIsLargeOrOld(t *testing.T) {
	t.Parallel()
	c := bulk.DefaultConfig()
	start := time.Date(2026, 9, 30, 12, 0, 0, 0, time.UTC)
	after := func(d time.Duration) time.Time { return start.Add(d) }
	for name, tt := range map[string]struct {
		lines int
		bytes int // of each
		look  time.Duration
		want  bool
	}{
		"nothing is never stored":   {0, 0, 24 * time.Hour, false},
		"a young line waits":        {1, 1, c.PartAge - 1, false},
		"an old line is stored":     {1, 1, c.PartAge, true},
		"few lines wait":            {c.PartLines - 1, 1, 0, false},
		"many lines do not":         {c.PartLines, 1, 0, true},
		"and neither do many bytes": {8, 1 << 20, 0, true},
	} {
		var p bulk.Part
		for i := range tt.lines {
			// The first line counts.
			p.Add(after(time.Duration(i)), fmt.Appendf(nil, "%q", strings.Repeat("x", tt.bytes)))
		}
		if got := p.Due(after(tt.look), c); got != tt.want {
			t.Errorf("%s: due %v", name, got)
		}
	}
}

func TestTheAgeOfAPartIsThatOfItsOwnLines(t *testing.T) {
	t.Parallel()
	c := bulk.DefaultConfig()
	var p bulk.Part
	now := time.Date(2026, 9, 30, 12, 0, 0, 0, time.UTC)
	p.Add(now, []byte("1"))
	p.Empty()
	now = now.Add(c.PartAge)
	p.Add(now, []byte("2"))
	if p.Due(now.Add(c.PartAge-1), c) || !p.Due(now.Add(c.PartAge), c) {
		t.Error("a part that is filled again is as old as what was in it before")
	}
}

// Results grow while a batch runs, however few lines end.
func TestLinesThatHaveEndedDoNotWaitForAFullPart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.config.PartLines, w.config.PartAge = 1000, time.Millisecond
	w.slow = true
	lines, _ := goodLines(3)
	b := w.batch(ours(), lines+`{"custom_id":"last","input":"slow"}`)
	w.process(w.queue, w)
	w.until(b.ID, "a part", func(b queue.Batch) bool { return b.Stored == 3 })
	if got := customIDs(t, w.read(bulk.ResultsFile(b.ID))); fmt.Sprint(got) != "[c000 c001 c002]" {
		t.Errorf("results of %v", got)
	}
	w.set(func() { w.slow = false })
	if b = w.ended(b.ID); b.Completed != 4 || b.Results > 4 {
		t.Errorf("got %+v", b)
	}
}
