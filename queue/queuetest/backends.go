package queuetest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ekiben/ekiben/internal/redistest"
	"github.com/ekiben/ekiben/queue"
)

// OnModel opens a [Model].
func OnModel(t *testing.T, c queue.Config) Backend {
	t.Helper()
	b := ofModel(NewModel(c))
	start := b.NewProducer
	b.NewProducer = func(gateway string) Producer { return running(t, start(gateway)) }
	return b
}

// ofModel makes a back end of a model whose producers do not run.
func ofModel(m *Model) Backend {
	return Backend{
		Queue:       m,
		NewProducer: func(gateway string) Producer { return m.NewProducer(gateway) },
		NewConsumer: func(runner, worker string, i int) Consumer { return m.NewConsumer(runner, worker, i) },
		Abandon:     m.Abandon,
	}
}

// OnRedis returns a function that opens queues on the server at url.
func OnRedis(url string) func(*testing.T, queue.Config) Backend {
	return func(t *testing.T, c queue.Config) Backend {
		t.Helper()
		c.URL, c.Prefix = url, redistest.Prefix()
		q, err := queue.Open(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := q.Close(); err != nil {
				t.Errorf("Close() = %v", err)
			}
		})
		options, err := redis.ParseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		r := &rawRedis{t: t, client: redis.NewClient(options), prefix: c.Prefix}
		t.Cleanup(func() { _ = r.client.Close() })
		r.outlast(c.Lease)
		return Backend{
			Queue:       q,
			NewProducer: func(gateway string) Producer { return running(t, q.NewProducer(gateway)) },
			NewConsumer: func(runner, worker string, i int) Consumer { return q.NewConsumer(runner, worker, i) },
			Abandon:     func(worker string, i int) { r.abandon(consumerName(worker, i), c.Lease) },
			Plant:       r.plant,
			Assign:      r.assign,
			Snatch:      r.snatch,
			Forget:      r.forget,
			Leftovers:   r.leftovers,
		}
	}
}

// running runs a producer until the test ends.
func running(t *testing.T, p Producer) Producer {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run() = %v", err)
		}
	})
	return p
}

// rawRedis looks at what the queue keeps and meddles with it. The keys are those
// of the table in keys.go, on purpose spelled again.
type rawRedis struct {
	t      *testing.T
	client *redis.Client
	prefix string
}

var laneKeys = []string{"calls:high", "calls:normal", "calls:low"}

func (r *rawRedis) key(runner, what string) string {
	return r.prefix + ":{" + runner + "~0}:" + what
}

// outlast returns once the server has run for longer than a lease: before,
// nothing is taken back. A server that does not say is old enough.
func (r *rawRedis) outlast(lease time.Duration) {
	r.t.Helper()
	await(r.t, "the server is older than a lease", func() bool {
		info, err := r.client.Info(context.Background(), "server").Result()
		if err != nil {
			return true
		}
		for line := range strings.Lines(info) {
			if s, ok := strings.CutPrefix(strings.TrimSpace(line), "uptime_in_seconds:"); ok {
				up, _ := strconv.Atoi(s)
				return time.Duration(up)*time.Second > lease
			}
		}
		return true
	})
}

// each visits the lanes of all runners.
func (r *rawRedis) each(f func(key string)) {
	ctx := context.Background()
	for _, lane := range laneKeys {
		keys, err := r.client.Keys(ctx, r.prefix+":{*}:"+lane).Result()
		if err != nil {
			r.t.Fatal(err)
		}
		for _, key := range keys {
			f(key)
		}
	}
}

const group = "workers"

// abandon ages what a consumer holds by a lease.
func (r *rawRedis) abandon(consumer string, lease time.Duration) {
	r.t.Helper()
	ctx := context.Background()
	r.each(func(key string) {
		held, err := r.client.XPendingExt(ctx, &redis.XPendingExtArgs{
			Stream: key, Group: group, Start: "-", End: "+", Count: 10000, Consumer: consumer,
		}).Result()
		if err != nil {
			return // nothing was ever cut from this lane
		}
		for _, p := range held {
			err := r.client.Do(ctx, "XCLAIM", key, group, consumer, 0, p.ID, "IDLE", lease.Milliseconds()+1, "JUSTID").Err()
			if err != nil {
				r.t.Fatal(err)
			}
		}
	})
}

func (r *rawRedis) plant(runner string, fields ...string) string {
	r.t.Helper()
	return must(r.client.XAdd(context.Background(), &redis.XAddArgs{Stream: r.key(runner, "calls:normal"), Values: fields}).Result())(r.t)
}

func (r *rawRedis) assign(job, entry string) {
	r.t.Helper()
	runner, _, _ := strings.Cut(job, "~")
	must(r.client.HSet(context.Background(), r.key(runner, "job:"+job), "entry", entry, "lane", "2").Result())(r.t)
}

func (r *rawRedis) snatch(job string) {
	r.t.Helper()
	runner, _, _ := strings.Cut(job, "~")
	entry := must(r.client.HGet(context.Background(), r.key(runner, "job:"+job), "entry").Result())(r.t)
	must(r.client.XDel(context.Background(), r.key(runner, "calls:normal"), entry).Result())(r.t)
}

func (r *rawRedis) forget(job string) {
	r.t.Helper()
	runner, _, _ := strings.Cut(job, "~")
	must(r.client.Del(context.Background(), r.key(runner, "job:"+job)).Result())(r.t)
}

// leftovers are members of what should be empty.
func (r *rawRedis) leftovers(runner string) []string {
	r.t.Helper()
	ctx := context.Background()
	var found []string
	note := func(what string, n int64) {
		if n != 0 {
			found = append(found, fmt.Sprintf("%d %s", n, what))
		}
	}
	note("due", r.client.ZCard(ctx, r.key(runner, "due")).Val())
	note("running", r.client.ZCard(ctx, r.key(runner, "running")).Val())
	note("crashes", r.client.HLen(ctx, r.key(runner, "crashes")).Val())
	note("callers", r.client.HLen(ctx, r.key(runner, "callers")).Val())
	note("canceled", r.client.SCard(ctx, r.key(runner, "canceled")).Val())
	for _, lane := range laneKeys {
		key := r.key(runner, lane)
		note(lane, r.client.XLen(ctx, key).Val())
		if p, err := r.client.XPending(ctx, key, group).Result(); err == nil {
			note(lane+" pending", p.Count)
		}
	}
	for field, v := range r.client.HGetAll(ctx, r.key(runner, "meter")).Val() {
		if (len(field) == 2 && strings.ContainsAny(field[:1], "crs") || field == "bytes") && v != "0" {
			found = append(found, field+" is "+v)
		}
	}
	return append(found, r.unowned(runner)...)
}

// unowned are bodies that neither the record of a job nor a dead letter has.
func (r *rawRedis) unowned(runner string) []string {
	r.t.Helper()
	ctx, owned := context.Background(), map[string]bool{}
	for _, letter := range must(r.client.XRange(ctx, r.key(runner, "dead"), "-", "+").Result())(r.t) {
		if name, has := letter.Values["b"].(string); has {
			owned[name] = true
		}
	}
	var found []string
	for _, key := range must(r.client.Keys(ctx, r.key(runner, "body:*")).Result())(r.t) {
		name := strings.TrimPrefix(key, r.key(runner, "body:"))
		job, result := strings.CutPrefix(name, "result~")
		field := map[bool]string{false: "body", true: "outputs"}[result]
		if !owned[name] && !r.client.HExists(ctx, r.key(runner, "job:"+job), field).Val() {
			found = append(found, "body "+name)
		}
	}
	return found
}
