package queue_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// A record that is about to be dropped, with inputs apart, is told of again.
func TestTheRecordOfAWebhookThatIsToldAgainIsKept(t *testing.T) {
	t.Parallel()
	b := newBodies(t)
	job, err := b.submit(large, func(c *queue.Call) { c.Webhook = queue.Webhook{URL: "https://example.com"} })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Cancel(t.Context(), job.ID); err != nil {
		t.Fatal(err)
	}
	if err := b.NoteHook(t.Context(), job.ID, queue.Hook{N: 1, State: queue.HookFailed}); err != nil {
		t.Fatal(err)
	}
	kept := b.stats().ResultBytes
	key := func(part string) string { return b.prefix + ":{ocr~0}:" + part }
	members := b.raw.ZRangeWithScores(t.Context(), key("kept"), 0, -1).Val()
	soon := time.Now().Add(time.Minute).UnixMicro()
	b.raw.HSet(t.Context(), key("job:"+job.ID), "expires", soon)
	for _, name := range []string{key("job:" + job.ID), key("body:" + job.ID)} {
		b.raw.PExpire(t.Context(), name, time.Minute)
	}
	members[0].Score = float64(soon)
	b.raw.ZAdd(t.Context(), key("kept"), members...)

	if err := b.Redeliver(t.Context(), job.ID); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{key("job:" + job.ID), key("body:" + job.ID)} {
		if left := b.raw.PTTL(t.Context(), name).Val(); left < 24*time.Hour {
			t.Errorf("%s lives for %s, want a day and an hour", name, left)
		}
	}
	after := b.raw.ZRangeWithScores(t.Context(), key("kept"), 0, -1).Val()
	expires := b.raw.HGet(t.Context(), key("job:"+job.ID), "expires").Val()
	if len(after) != 1 || after[0].Member != members[0].Member || strconv.FormatFloat(after[0].Score, 'f', -1, 64) != expires {
		t.Errorf("%v is kept, and was %v; the record is until %s", after, members, expires)
	}
	if _, err := b.Retry(t.Context(), job.ID, queue.Admission{MaxCalls: 10, MaxBytes: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	if got := b.stats().ResultBytes; got != 0 || kept < int64(len(large)) {
		t.Errorf("%d bytes were kept of the job, and %d when it is queued again", kept, got)
	}
}

// One that is kept for longer than a webhook is told stays so.
func TestARecordThatIsKeptForLongIsNotShortened(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *queue.Config) { c.Retention = 48 * time.Hour })
	c := call("a")
	c.Webhook = queue.Webhook{URL: "https://example.com"}
	if _, err := b.Submit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	before, err := b.Cancel(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.NoteHook(t.Context(), c.ID, queue.Hook{N: 1, State: queue.HookDelivered}); err != nil {
		t.Fatal(err)
	}
	if err := b.Redeliver(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	if after, err := b.Job(t.Context(), c.ID); err != nil || after.Expires != before.Expires {
		t.Errorf("it was kept until %s, and is until %s, %v", before.Expires, after.Expires, err)
	}
}
