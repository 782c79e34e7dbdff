package tasks

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hibiken/asynq"

	"github.com/ekiben/ekiben/queue"
)

// errMalformed means that a task is none of ours.
var errMalformed = errors.New("malformed task")

const (
	// ahead is how long before its time a job is brought back. Asynq looks at what
	// is delayed about once a second; the sorted set of package queue is exact.
	ahead = 10 * time.Second

	// handlerTime bounds one run of a handler. It is longer than a POST by the time
	// that its outcome may need to be noted.
	handlerTime = time.Minute

	// maxRetry is how often a task is tried that fails of what it should not: a
	// fault of ours. What is expected to fail is not counted.
	maxRetry = 25
)

// taskOf makes a task of an errand. Its id is the errand's, so that there is one
// however often it is enqueued; its payload is the id and the time, no more,
// because asynq writes the payload of a running task every five seconds.
func taskOf(e queue.Errand, n names) (*asynq.Task, []asynq.Option) {
	options := []asynq.Option{
		asynq.Queue(n.of(e.Kind)), asynq.TaskID(e.ID()), asynq.MaxRetry(maxRetry), asynq.Timeout(handlerTime),
	}
	if e.Kind == queue.ErrandLater {
		options = append(options, asynq.ProcessAt(e.At.Add(-ahead)))
	}
	payload := e.ID() + " " + strconv.FormatInt(e.At.UnixMilli(), 10)
	return asynq.NewTask(string(e.Kind), []byte(payload)), options
}

// errandOf is the errand that a task was made of.
func errandOf(t *asynq.Task) (queue.Errand, error) {
	id, stamp, _ := strings.Cut(string(t.Payload()), " ")
	e, err := queue.ErrandOf(id)
	ms, numberErr := strconv.ParseInt(stamp, 10, 64)
	if err := errors.Join(err, numberErr); err != nil {
		return queue.Errand{}, fmt.Errorf("%w: %q: %w", errMalformed, t.Payload(), err)
	}
	if string(e.Kind) != t.Type() {
		return queue.Errand{}, fmt.Errorf("%w: %q is of kind %q", errMalformed, t.Payload(), t.Type())
	}
	e.At = time.UnixMilli(ms).UTC()
	return e, nil
}
