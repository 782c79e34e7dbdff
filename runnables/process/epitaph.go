package process

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	// dying is how long before its end a process writes what it dies of.
	dying = 5 * time.Second

	// longestEpitaph is how much of that is told, in bytes.
	longestEpitaph = 300
)

// alarming reports whether a line is one by which Go, Python or C says that the
// program dies, and of what. Many lines may follow it.
func alarming(line string) bool {
	return slices.ContainsFunc([]string{
		"panic: ", "fatal error: ", "runtime: out of memory", "Fatal Python error: ", "terminate called ",
		"double free or corruption", "*** stack smashing detected", "*** buffer overflow detected",
	}, func(beginning string) bool { return strings.HasPrefix(line, beginning) })
}

// demise is how a process ended, as the rest of a sentence about it, and what it
// wrote of that.
type demise struct{ how, wrote string }

// String tells both.
func (d demise) String() string {
	if d.wrote == "" {
		return d.how
	}
	return fmt.Sprintf("%s and wrote %q", d.how, d.wrote)
}

// epitaph is what the process has written about its end; empty if it was orderly or
// silent.
func (o *output) epitaph(state *os.ProcessState) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	text := ""
	switch {
	case state.Success():
	case o.alarm != "" && now.Sub(o.alarmAt) < dying:
		text = o.alarm
	case state.Exited() && len(o.last) > 0 && now.Sub(o.lastAt) < dying:
		text = o.last[len(o.last)-1]
	}
	if len(text) > longestEpitaph {
		text = strings.ToValidUTF8(text[:longestEpitaph], "") + "…"
	}
	return text
}

// drain waits until all output was read, for a while.
func (o *output) drain(most time.Duration) {
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		o.streams.Wait()
	}()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-drained:
	case <-timer.C:
	}
}
