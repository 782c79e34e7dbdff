//go:build linux

package embedded_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/queue/embedded"
)

func TestMissingServerIsExplained(t *testing.T) { // it changes PATH
	t.Setenv("PATH", t.TempDir())
	_, err := embedded.StartServer(t.Context(), t.TempDir())
	if !errors.Is(err, embedded.ErrNoServer) || !strings.Contains(err.Error(), "install") {
		t.Errorf("StartServer() = %v, want ErrNoServer with the package to install", err)
	}
}

func TestLongPathIsRefused(t *testing.T) {
	t.Parallel()
	need(t)

	_, err := embedded.StartServer(t.Context(), t.TempDir()+"/"+strings.Repeat("long", 30))
	if err == nil || !strings.Contains(err.Error(), "shorter") {
		t.Errorf("StartServer() = %v, want it to ask for a shorter path", err)
	}
}

func TestEmbeddedKeysExpire(t *testing.T) {
	t.Parallel()

	e, err := embedded.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	c := client(t, e.URL())
	if err := c.Set(t.Context(), "k", "v", 50*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); c.Exists(t.Context(), "k").Val() == 1; {
		if time.Now().After(deadline) {
			t.Fatal("the key does not expire")
		}
	}
}
