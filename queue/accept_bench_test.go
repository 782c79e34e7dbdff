package queue

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ekiben/ekiben/internal/redistest"
	"github.com/ekiben/ekiben/tensor"
)

// BenchmarkAccept compares three ways to take calls in, on a redis-server with
// an append-only file: our acceptor, which puts up to 64 calls into one script;
// one script a call, each in a round trip of its own; and one script a call
// through go-redis's AutoPipeline. See docs/adr/0002.
func BenchmarkAccept(b *testing.B) {
	ways := []struct {
		name string
		open func(*testing.B, *Queue) func(*Call) error
	}{
		{"acceptor", throughAcceptor}, {"plain", throughPlain}, {"autopipeline", throughAutoPipeline},
	}
	for _, callers := range []int{1, 16, 128} {
		for _, way := range ways {
			b.Run(fmt.Sprintf("%s-callers=%d", way.name, callers), func(b *testing.B) {
				q := benchQueue(b)
				accept := way.open(b, q)
				if err := accept(benchCall()); err != nil { // loads the scripts
					b.Fatal(err)
				}
				measure(b, q, callers, func() error { return accept(benchCall()) })
			})
		}
	}
}

func throughAcceptor(b *testing.B, q *Queue) func(*Call) error {
	b.Helper()
	p := benchProducer(b, q)
	return func(c *Call) error { _, err := p.Submit(context.Background(), *c); return err }
}

func throughPlain(b *testing.B, q *Queue) func(*Call) error {
	b.Helper()
	return one(q, q.redis)
}

func throughAutoPipeline(b *testing.B, q *Queue) func(*Call) error {
	b.Helper()
	auto, err := q.redis.AutoPipeline()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = auto.Close() })
	return one(q, auto)
}

// one accepts a call with a script of its own.
func one(q *Queue, client redis.Scripter) func(*Call) error {
	p := q.NewProducer("bench")
	return func(c *Call) error {
		c.job = true
		t, err := p.queue.newTicket(c)
		if err != nil {
			return err
		}
		ev := p.acceptance(door{c.Runner, c.Lane.number(), c.Admission}, []*ticket{t})[0]
		v, err := client.EvalSha(context.Background(), ev.script.flaggedSHA, ev.keys, ev.args...).Result()
		if redis.HasErrorPrefix(err, "NOSCRIPT") {
			if err = q.scripts.load(context.Background()); err != nil {
				return err
			}
			v, err = client.EvalSha(context.Background(), ev.script.flaggedSHA, ev.keys, ev.args...).Result()
		}
		p.tell([]*ticket{t}, []result{{v, err}})
		return (<-t.done).err
	}
}

// BenchmarkPath is the whole path within one process: a gateway awaits calls of
// 1 KiB, an instance cuts them and answers with the input.
func BenchmarkPath(b *testing.B) {
	for _, callers := range []int{1, 16, 128} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			q := benchQueue(b)
			p := benchProducer(b, q)
			batches, calls := benchWorker(b, q)
			do := func() error {
				_, err := p.Do(context.Background(), *benchCall())
				return err
			}
			if err := do(); err != nil {
				b.Fatal(err)
			}
			measure(b, q, callers, do)
			b.ReportMetric(float64(calls.Load())/float64(batches.Load()), "calls/batch")
		})
	}
}

// benchWorker runs an instance that echoes.
func benchWorker(b *testing.B, q *Queue) (batches, calls *atomic.Int64) {
	b.Helper()
	batches, calls = new(atomic.Int64), new(atomic.Int64)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c := q.NewConsumer("bench", "w", 0)
		for ctx.Err() == nil {
			cut, err := c.Cut(context.Background(), Ask{Rows: 64, Enough: 1})
			if err != nil {
				b.Error(err)
				return
			}
			if len(cut.Deliveries) == 0 {
				_, _ = c.Wait(context.Background(), time.Second)
				continue
			}
			batches.Add(1)
			calls.Add(int64(len(cut.Deliveries)))
			out := make([]Outcome, len(cut.Deliveries))
			for i, d := range cut.Deliveries {
				out[i] = Outcome{Delivery: d, Reply: Reply{Outputs: d.Inputs}}
			}
			if _, err := c.Finish(context.Background(), out); err != nil {
				b.Error(err)
				return
			}
		}
	}()
	b.Cleanup(func() { stop(); <-ended })
	return batches, calls
}

func benchQueue(b *testing.B) *Queue {
	b.Helper()
	c := DefaultConfig()
	c.URL = redistest.Start(b).URL
	q, err := Open(c)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = q.Close() })
	return q
}

func benchProducer(b *testing.B, q *Queue) *Producer {
	b.Helper()
	p := q.NewProducer("bench")
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = p.Run(ctx) }()
	b.Cleanup(func() { stop(); <-ended })
	return p
}

func benchCall() *Call {
	in, err := tensor.Of([]int{1, 1024}, make([]uint8, 1024))
	if err != nil {
		panic(err)
	}
	return &Call{
		ID: NewID("bench"), Runner: "bench", Method: "run", Rows: 1, Group: "run",
		Inputs: []tensor.Named{{Name: "input", Tensor: in}}, Timeout: time.Minute, Caller: "10.0.0.1",
		Admission: Admission{MaxCalls: 1 << 30, MaxBytes: 1 << 40},
	}
}

// measure runs b.N calls of f by so many callers, and reports the time of the
// processors of the server and of this process.
func measure(b *testing.B, q *Queue, callers int, f func() error) {
	b.Helper()
	server, own := serverTime(b, q), ownTime(b)
	b.ReportAllocs()
	b.ResetTimer()
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := f(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	n := float64(b.N)
	b.ReportMetric(float64((serverTime(b, q)-server).Microseconds())/n, "redis-µs/op")
	b.ReportMetric(float64((ownTime(b)-own).Microseconds())/n, "own-µs/op")
}

// serverTime is the processor time that the server has used.
func serverTime(b *testing.B, q *Queue) time.Duration {
	b.Helper()
	info, err := q.redis.Info(context.Background(), "cpu").Result()
	if err != nil {
		b.Fatal(err)
	}
	var sum time.Duration
	for _, name := range []string{"used_cpu_user", "used_cpu_sys"} {
		seconds, err := strconv.ParseFloat(infoField(info, name), 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(seconds * float64(time.Second))
	}
	return sum
}

func ownTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
