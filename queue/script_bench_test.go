package queue

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ekiben/ekiben/tensor"
)

// BenchmarkScripts says what each step costs the server: processor time a call,
// with so many calls a script and so many bytes a call.
func BenchmarkScripts(b *testing.B) {
	for _, size := range []int{1 << 10, 600 << 10} {
		for _, batch := range []int{1, 32} {
			b.Run(fmt.Sprintf("bytes=%d-calls=%d", size, batch), func(b *testing.B) { benchScripts(b, size, batch) })
		}
	}
}

func benchScripts(b *testing.B, size, batch int) {
	b.Helper()
	q := benchQueue(b)
	p := q.NewProducer("bench")
	p.queue.config.MaxReplyBytes = 1 << 40
	ctx := context.Background()
	if err := p.listen(ctx); err != nil {
		b.Fatal(err)
	}
	c := q.NewConsumer("bench", "w", 0)
	took := map[string][]time.Duration{}
	timed := func(what string, f func()) {
		before := serverTime(b, q)
		f()
		took[what] = append(took[what], serverTime(b, q)-before)
	}
	in, err := tensor.Of([]int{1, size}, make([]uint8, size))
	if err != nil {
		b.Fatal(err)
	}
	const round = 256 // calls at a time, so that memory stays small
	for done := 0; done < b.N; done += round {
		var cuts []Cut
		timed("accept", func() {
			for i := 0; i < round; i += batch {
				var ts []*ticket
				for range batch {
					call := benchCall()
					call.replyTo, call.Inputs[0].Tensor = "bench", in
					t, err := p.queue.newTicket(call)
					if err != nil {
						b.Fatal(err)
					}
					ts = append(ts, t)
				}
				if err := firstError(q.scripts.runEach(ctx, p.acceptance(door{"bench", laneNormal, ts[0].call.Admission}, ts))); err != nil {
					b.Fatal(err)
				}
			}
		})
		timed("cut", func() {
			for got := 0; got < round; {
				cut, err := c.Cut(ctx, Ask{Rows: batch, Enough: 1})
				if err != nil || len(cut.Deliveries) == 0 {
					b.Fatal(cut, err)
				}
				got += len(cut.Deliveries)
				cuts = append(cuts, cut)
			}
		})
		finish := func(gateway string) func() {
			return func() {
				for _, cut := range cuts {
					out := make([]Outcome, len(cut.Deliveries))
					for i, d := range cut.Deliveries {
						d.replyTo = gateway
						out[i] = Outcome{Delivery: d, Reply: Reply{Outputs: d.Inputs}}
					}
					if _, err := c.Finish(ctx, out); err != nil {
						b.Fatal(err)
					}
				}
			}
		}
		timed("finish", finish(""))
		timed("reply", finish("bench")) // and finish finds nothing
		if err := q.redis.Del(ctx, q.keys.replies("bench"), q.keys.replyBytes("bench")).Err(); err != nil {
			b.Fatal(err)
		}
		p.listening.Store(false)
		if err := p.listen(ctx); err != nil {
			b.Fatal(err)
		}
	}
	for what, rounds := range took {
		slices.Sort(rounds)
		b.ReportMetric(float64(rounds[len(rounds)/2].Nanoseconds())/1000/round, what+"-µs")
	}
}
