package redistest_test

import (
	"strings"
	"testing"

	"github.com/ekiben/ekiben/internal/redistest"
)

func TestCommandsAreAnswered(t *testing.T) {
	t.Parallel()

	s := redistest.Start(t)
	for _, tc := range []struct{ command, want string }{
		{"PING", "PONG"},
		{"SET a b", "OK"},
		{"GET a", "b"},
		{"GET b", ""},
		{"INCR n", "1"},
	} {
		got, err := s.Do(strings.Split(tc.command, " ")...)
		if got != tc.want || err != nil {
			t.Errorf("%s answers %q, %v; want %q", tc.command, got, err, tc.want)
		}
	}
	if _, err := s.Do("LRANGE", "l", "0", "-1"); err == nil {
		t.Error("a list was taken for a string")
	}
	if _, err := s.Do("NONSENSE"); err == nil || !strings.Contains(err.Error(), "NONSENSE") {
		t.Errorf("an unknown command got %v", err)
	}
	s.Kill()
	if _, err := s.Do("PING"); err == nil {
		t.Error("a killed server answered")
	}
}
