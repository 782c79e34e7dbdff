package process

import (
	"bufio"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Bounds of what a process may write to the log.
const (
	longestLine   = 4 << 10
	linesPerSec   = 100
	linesAtOnce   = 1000
	rememberLines = 12
)

// output is what a process writes to standard output and standard error: it is
// logged, and the last of it remembered.
type output struct {
	log     *slog.Logger
	limit   *rate.Limiter
	streams sync.WaitGroup

	mu      sync.Mutex // guards what follows
	last    []string
	lastAt  time.Time
	alarm   string // the last line that says why a program dies
	alarmAt time.Time
	dropped int       // lines, since that was told
	toldAt  time.Time // that lines were dropped
}

func newOutput(log *slog.Logger) *output {
	return &output{log: log, limit: rate.NewLimiter(linesPerSec, linesAtOnce)}
}

// follow reads a stream to its end.
func (o *output) follow(stream string, r io.Reader) {
	defer o.tellDropped()
	lines := bufio.NewReaderSize(r, longestLine)
	within := false // a line whose beginning was logged
	for {
		line, more, err := lines.ReadLine()
		if err != nil {
			return
		}
		if !within {
			text := strings.ToValidUTF8(strings.TrimRight(string(line), "\r"), "\uFFFD")
			if more {
				text += "…"
			}
			o.line(stream, text)
		}
		within = more
	}
}

// line takes one line.
func (o *output) line(stream, text string) {
	if text == "" {
		return
	}
	o.mu.Lock()
	if len(o.last) == rememberLines {
		o.last = slices.Delete(o.last, 0, 1)
	}
	o.last, o.lastAt = append(o.last, text), time.Now()
	if alarming(text) {
		o.alarm, o.alarmAt = text, o.lastAt
	}
	logged, told := o.limit.Allow(), o.toldAt
	if !logged {
		o.dropped++
	}
	o.mu.Unlock()
	if !logged {
		return
	}
	if time.Since(told) > time.Second {
		o.tellDropped()
	}
	o.log.Info("output", "stream", stream, "line", text)
}

// tellDropped says in the log how many lines are not in it.
func (o *output) tellDropped() {
	o.mu.Lock()
	dropped := o.dropped
	o.dropped = 0
	if dropped > 0 {
		o.toldAt = time.Now()
	}
	o.mu.Unlock()
	if dropped > 0 {
		o.log.Warn("output was left out, there was too much of it", "lines", dropped)
	}
}

// tail are the last lines.
func (o *output) tail() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.last)
}
