package schedule

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// JobID is the id of the job of a tick, the same whoever asks.
func JobID(s queue.Schedule, at time.Time) string {
	return idFor(s.Runner, "tick:"+s.Name+":"+strconv.FormatInt(at.Unix(), 10))
}

// idFor is an id behind the runner's prefix that follows from a name.
func idFor(runner, name string) string {
	sum := sha256.Sum256([]byte(name))
	return runner + "~0~" + hex.EncodeToString(sum[:16])
}
