package queue

import (
	"context"
	"testing"

	"github.com/ekiben/ekiben/internal/redistest"
	"github.com/ekiben/ekiben/tensor"
)

// A gateway of a later version may send inputs that this one cannot read.
func TestWhoAwaitsACallThatTheWorkerCannotReadIsTold(t *testing.T) {
	t.Parallel()

	c := DefaultConfig()
	c.URL, c.Prefix = redistest.URL(t), redistest.Prefix()
	q, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	p := q.NewProducer("gateway")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	call := Call{
		ID: NewID("ocr"), Runner: "ocr", Method: "read", Rows: 1, Group: "g", replyTo: "gateway",
		Inputs:    []tensor.Named{{Name: "page", Tensor: page(t, "hello")}},
		Timeout:   1 << 40,
		Admission: Admission{MaxCalls: 1, MaxBytes: 1 << 20},
	}
	ticket, err := q.newTicket(&call)
	if err != nil {
		t.Fatal(err)
	}
	ticket.envelope[len(ticket.envelope)-13] = 99 // no type of data has this number
	p.waiting.add(ticket)
	if err := p.send(ctx, ticket); err != nil {
		t.Fatal(err)
	}
	w := q.NewConsumer("ocr", "w", 0)
	for {
		cut, err := w.Cut(t.Context(), Ask{Rows: 1, Enough: 1})
		if err != nil || len(cut.Deliveries) > 0 {
			t.Fatalf("Cut() = %+v, %v; want nothing that can be read", cut, err)
		}
		select {
		case a := <-ticket.done:
			if a.err != nil || a.reply.Err == nil || a.reply.Err.Code != CodeMismatch {
				t.Errorf("got %+v, want the code %s", a, CodeMismatch)
			}
			if s, err := q.Stats(t.Context(), "ocr"); err != nil || s[0].DeadLetters != 1 || s[0].Depth != 0 {
				t.Errorf("Stats() = %+v, %v; want one dead letter", s, err)
			}
			return
		default:
		}
	}
}
