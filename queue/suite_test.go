package queue_test

import (
	"testing"

	"github.com/ekiben/ekiben/internal/redistest"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/embedded"
	"github.com/ekiben/ekiben/queue/queuetest"
)

func TestRedisKeepsTheContract(t *testing.T) {
	t.Parallel()

	queuetest.Suite(t, queuetest.OnRedis(redistest.URL(t)), nil)
}

// apart opens queues that keep all inputs apart, however small.
func apart(open func(*testing.T, queue.Config) queuetest.Backend) func(*testing.T, queue.Config) queuetest.Backend {
	return func(t *testing.T, c queue.Config) queuetest.Backend {
		t.Helper()
		c.MaxInline = 0
		return open(t, c)
	}
}

func TestRedisKeepsTheContractWithInputsApart(t *testing.T) {
	t.Parallel()

	queuetest.Suite(t, apart(queuetest.OnRedis(redistest.URL(t))), nil)
}

func TestRedisMovesInLockstepWithTheModelWithInputsApart(t *testing.T) {
	t.Parallel()

	queuetest.Lockstep(t, apart(queuetest.OnRedis(redistest.URL(t))))
}

func TestRedisForgetsEndedJobs(t *testing.T) {
	t.Parallel()

	queuetest.Forgetting(t, queuetest.OnRedis(redistest.URL(t)))
}

func TestModelKeepsTheContract(t *testing.T) {
	t.Parallel()

	queuetest.Suite(t, queuetest.OnModel, nil)
}

func TestModelForgetsEndedJobs(t *testing.T) {
	t.Parallel()

	queuetest.Forgetting(t, queuetest.OnModel)
}

func TestEmbeddedRedisKeepsTheContract(t *testing.T) {
	t.Parallel()

	e, err := embedded.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	queuetest.Suite(t, queuetest.OnRedis(e.URL()), nil)
	t.Run("forgets ended jobs", func(t *testing.T) {
		t.Parallel()
		queuetest.Forgetting(t, queuetest.OnRedis(e.URL()))
	})
}

func TestRedisMovesInLockstepWithTheModel(t *testing.T) {
	t.Parallel()

	queuetest.Lockstep(t, queuetest.OnRedis(redistest.URL(t)))
}

func TestEmbeddedRedisMovesInLockstepWithTheModel(t *testing.T) {
	t.Parallel()

	e, err := embedded.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	queuetest.Lockstep(t, queuetest.OnRedis(e.URL()))
}
