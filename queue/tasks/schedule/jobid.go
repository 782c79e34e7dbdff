package schedule

import (
	"strconv"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// JobID is the id of the job of a tick, the same whoever asks.
func JobID(s queue.Schedule, at time.Time) string {
	return queue.IDFor(s.Runner, "tick:"+s.Name+":"+strconv.FormatInt(at.Unix(), 10))
}
