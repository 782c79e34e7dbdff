package queue_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/internal/redistest"
	"github.com/ekiben/ekiben/queue"
)

func TestARedisThatRefusesIsNotOneThatIsAway(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct {
		name       string
		how, words string
		undo       string
	}{
		{"memory is full", "config set maxmemory 1", "OOM ", "config set maxmemory 0"},
		{"it is a replica", "replicaof 127.0.0.1 1", "READONLY ", "replicaof no one"},
		{"it wants a password", "acl setuser default resetpass >secret", "WRONGPASS ", ""},
		{"the user may not", "acl setuser default -@all", "NOPERM ", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			c := queue.DefaultConfig()
			c.URL = server.URL
			if tt.words == "WRONGPASS " {
				c.URL = strings.Replace(server.URL, "redis://", "redis://:wrong@", 1)
			}
			admin := raw(t, server)
			order := func(words string) {
				t.Helper()
				args := []any{}
				for w := range strings.FieldsSeq(words) {
					args = append(args, w)
				}
				if err := admin.Do(t.Context(), args...).Err(); err != nil {
					t.Fatal(err)
				}
			}
			order(tt.how)
			b := connect(t, c)
			_, err := b.Submit(t.Context(), call("x"))
			if !errors.Is(err, queue.ErrRefused) || !errors.Is(err, queue.ErrUnavailable) || !strings.Contains(err.Error(), tt.words) {
				t.Fatalf("got %v, want Redis's %q", err, tt.words)
			}
			if tt.undo == "" {
				return
			}
			order(tt.undo)
			if _, err := b.Submit(t.Context(), call("y")); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestARedisThatIsAwayDoesNotRefuse(t *testing.T) {
	t.Parallel()

	server := redistest.Start(t)
	c := queue.DefaultConfig()
	c.URL = server.URL
	b := connect(t, c)
	server.Kill()
	x := call("x")
	x.Timeout = 5 * time.Second
	if _, err := b.Do(t.Context(), x); !errors.Is(err, queue.ErrUnavailable) || errors.Is(err, queue.ErrRefused) {
		t.Errorf("got %v", err)
	}
}
