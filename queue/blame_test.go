package queue_test

import (
	"strings"
	"testing"

	"github.com/ekiben/ekiben/queue"
)

func TestCallersAreNotToldWhatAnInstanceWroteBeforeItsEnd(t *testing.T) {
	t.Parallel()
	message, reason := queue.Blame(2, queue.Crash{How: "its process exited with status 3", Wrote: "a secret"})
	if want := "the instance crashed 2 times while it ran this call alone: its process exited with status 3"; message != want {
		t.Errorf("callers are told %q, want %q", message, want)
	}
	if want := `crashed its instance 2 times alone: its process exited with status 3 and wrote "a secret"`; reason != want {
		t.Errorf("operators are told %q, want %q", reason, want)
	}
	if message, reason := queue.Blame(2, queue.Crash{}); strings.HasSuffix(message, ":") || strings.HasSuffix(reason, ":") {
		t.Errorf("of a crash of which nothing is known it is said %q, %q", message, reason)
	}
	if message, _ := queue.Blame(2, queue.Crash{How: strings.Repeat("é", 1000)}); len(message) > 400 {
		t.Errorf("%d bytes are told", len(message))
	}
}
