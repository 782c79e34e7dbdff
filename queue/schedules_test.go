package queue_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/ekiben/ekiben/internal/redistest"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/queue/embedded"
)

// scheduleQueues are queues on each kind of Redis.
func scheduleQueues(t *testing.T) map[string]*queue.Queue {
	t.Helper()
	e, err := embedded.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	all := map[string]*queue.Queue{}
	for name, url := range map[string]string{"redis": redistest.URL(t), "embedded": e.URL()} {
		c := queue.DefaultConfig()
		c.URL, c.Prefix = url, redistest.Prefix()
		q, err := queue.Open(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = q.Close() })
		all[name] = q
	}
	return all
}

func aSchedule(name string) queue.Schedule {
	at := time.Date(2026, 3, 29, 1, 30, 0, 0, time.UTC)
	return queue.Schedule{
		Name: name, Runner: "r", Method: "m", Cron: "30 2 * * *", TimeZone: "Europe/Berlin", Input: []byte(`{"x":1}`),
		Timeout: time.Minute, Lane: queue.Low, Retry: queue.Retry{Most: 3, Backoff: time.Second, MaxBackoff: time.Minute},
		Missed: queue.MissedAll, Paused: true, Source: queue.ScheduleFile, Digest: "d", Handled: at, Last: at, LastJob: "r~0~x",
		MissedTicks: 2, Refusal: "no", RefusedAt: at,
	}
}

func TestAScheduleIsKeptAsItIs(t *testing.T) {
	t.Parallel()
	for kind, q := range scheduleQueues(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			put, err := q.PutSchedule(ctx, aSchedule("b"))
			if err != nil || put.Rev == "" {
				t.Fatal(put, err)
			}
			if _, err := q.PutSchedule(ctx, queue.Schedule{Name: "a"}); err != nil {
				t.Fatal(err)
			}
			got, err := q.Schedule(ctx, "b")
			if err != nil || !reflect.DeepEqual(got, put) {
				t.Errorf("got  %+v\nwant %+v, %v", got, put, err)
			}
			list, err := q.Schedules(ctx)
			put.Input = nil
			if err != nil || len(list) != 2 || list[0].Name != "a" || !reflect.DeepEqual(list[1], put) {
				t.Errorf("got %+v, %v", list, err)
			}
			put.Paused = false // without its input, which stays
			if _, err := q.PutSchedule(ctx, put); err != nil {
				t.Fatal(err)
			}
			if got, err = q.Schedule(ctx, "b"); err != nil || got.Paused || string(got.Input) != `{"x":1}` {
				t.Errorf("got %+v, %v", got, err)
			}
			if _, err := q.Schedule(ctx, "c"); !errors.Is(err, queue.ErrUnknownSchedule) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestWhoHasReadAScheduleLongAgoDoesNotChangeIt(t *testing.T) {
	t.Parallel()
	for kind, q := range scheduleQueues(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			first, err := q.PutSchedule(ctx, aSchedule("a"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := q.PutSchedule(ctx, aSchedule("a")); !errors.Is(err, queue.ErrScheduleChanged) {
				t.Errorf("it was made twice: %v", err)
			}
			second, err := q.PutSchedule(ctx, first)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := q.PutSchedule(ctx, first); !errors.Is(err, queue.ErrScheduleChanged) {
				t.Errorf("got %v", err)
			}
			if err := q.DropSchedule(ctx, first); !errors.Is(err, queue.ErrScheduleChanged) {
				t.Errorf("got %v", err)
			}
			if err := q.DropSchedule(ctx, second); err != nil {
				t.Error(err)
			}
			if _, err := q.PutSchedule(ctx, second); !errors.Is(err, queue.ErrScheduleChanged) {
				t.Errorf("it came back: %v", err)
			}
			again, err := q.PutSchedule(ctx, queue.Schedule{Name: "a"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := q.PutSchedule(ctx, second); !errors.Is(err, queue.ErrScheduleChanged) {
				t.Errorf("the new one was taken for the old one: %v", err)
			}
			if got, err := q.Schedule(ctx, "a"); err != nil || len(got.Input) != 0 || got.Rev != again.Rev {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestThereIsABoundOnSchedules(t *testing.T) {
	t.Parallel()
	q := scheduleQueues(t)["redis"]
	var one queue.Schedule
	for i := range queue.MaxSchedules {
		var err error
		if one, err = q.PutSchedule(t.Context(), queue.Schedule{Name: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := q.PutSchedule(t.Context(), queue.Schedule{Name: "one more"}); !errors.Is(err, queue.ErrTooManySchedules) {
		t.Errorf("got %v", err)
	}
	if _, err := q.PutSchedule(t.Context(), one); err != nil {
		t.Errorf("one that is there cannot be changed: %v", err)
	}
}
