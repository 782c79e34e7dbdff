package order_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ekiben/ekiben/test/chaos/order"
)

func TestOrdersSurviveTheirWay(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		o := order.Order{
			Call:  rapid.IntRange(0, 1e9).Draw(t, "call"),
			Do:    rapid.SampledFrom([]order.Do{order.Answer, order.Fail, order.Stale, order.Poison}).Draw(t, "do"),
			Sleep: time.Duration(rapid.IntRange(0, 1e9).Draw(t, "sleep")) * time.Microsecond,
			Value: rapid.Uint64().Draw(t, "value"), Padding: rapid.IntRange(0, 100).Draw(t, "padding"),
		}
		if rapid.Bool().Draw(t, "again") {
			o.Do, o.Fails = order.Again, rapid.IntRange(0, 9).Draw(t, "fails")
		}
		if got, err := order.Parse(o.String()); err != nil || got != o {
			t.Fatalf("%+v came back as %+v, %v", o, got, err)
		}
		other := o
		other.Value++
		if o.Answer() == other.Answer() {
			t.Fatal("two values have one answer")
		}
	})
}

func TestLinesSurviveTheirWay(t *testing.T) {
	t.Parallel()

	for _, l := range []order.Line{
		{Call: 7, PID: 12, At: time.Unix(3, 4)},
		{Ended: true, Call: 0, PID: 1, At: time.Unix(1e9, 999_999_999)},
	} {
		if got, err := order.ParseLine(l.String()); err != nil || got != l {
			t.Errorf("%+v came back as %+v, %v", l, got, err)
		}
	}
}

func TestNonsenseIsNoOrder(t *testing.T) {
	t.Parallel()

	for _, row := range []string{"", "1 answer 2", "1 dance 2 3", "1 again 2 3", "1 again:x 2 3", "1 answer:1 2 3", "1 dance:1 2 3", "x answer 2 3", "1 answer 2 3 4", "1 answer 99999999999 3"} {
		if _, err := order.Parse(row); !errors.Is(err, order.ErrMalformed) {
			t.Errorf("%q gave %v", row, err)
		}
	}
	for _, line := range []string{"", "begin 1 2", "middle 1 2 3", "end 1 x 3"} {
		if _, err := order.ParseLine(line); !errors.Is(err, order.ErrMalformed) {
			t.Errorf("%q gave %v", line, err)
		}
	}
}
