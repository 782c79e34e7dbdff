package ekiben

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// progress shows how far a batch has come, on one line of a terminal.
type progress struct {
	// since is when it was first shown, with so many lines ended.
	since time.Time
	from  int
}

// show draws the line anew.
func (p *progress) show(to io.Writer, b *batchAnswer, now time.Time) {
	done := b.Counts.Completed + b.Counts.Failed
	if p.since.IsZero() {
		p.since, p.from = now, done
	}
	end := ""
	if b.ended() {
		end = "\n"
	}
	// A line that cannot be drawn is no reason to stop.
	_, _ = fmt.Fprintf(to, "\r%s\x1b[K%s", progressLine(b, done-p.from, now.Sub(p.since)), end)
}

// progressLine says how many lines have ended, how many of them failed, how many end
// in a second, and how long the rest takes, as some ended in the time that has passed.
func progressLine(b *batchAnswer, ended int, passed time.Duration) string {
	const width = 20
	c := b.Counts
	done, whole := c.Completed+c.Failed, max(c.Total, 1)
	full := min(width*done/whole, width)
	line := fmt.Sprintf("%3d%% [%s%s] %d/%d lines, %d failed", min(100*done/whole, 100),
		strings.Repeat("=", full), strings.Repeat(" ", width-full), done, c.Total, c.Failed)
	if b.ended() {
		return line + ", " + b.Status
	}
	if ended <= 0 || passed <= 0 {
		return line
	}
	rate := float64(ended) / passed.Seconds()
	left := time.Duration(float64(c.Total-done) / rate * float64(time.Second))
	return line + fmt.Sprintf(", %.0f/s, %s left", rate, left.Round(time.Second))
}
