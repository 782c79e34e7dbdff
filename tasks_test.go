package ekiben_test

import (
	"io"
	"strings"
	"testing"

	"github.com/ekiben/ekiben"
)

func TestFaultySettingsOfWebhooksAreNamedAndNotTold(t *testing.T) {
	t.Setenv("EKIBEN_WEBHOOK_SECRET", "hunter2")
	t.Setenv("EKIBEN_WEBHOOK_ALLOW", "10.0.0.0/99,hooks.internal")
	t.Setenv("EKIBEN_REDIS_URL", "redis://127.0.0.1:1")
	for _, command := range []string{"gateway", "tasks"} {
		err := ekiben.Execute(t.Context(), io.Discard, io.Discard, command)
		if err == nil {
			t.Fatalf("%s runs", command)
		}
		for _, want := range []string{"EKIBEN_WEBHOOK_SECRET", "EKIBEN_WEBHOOK_ALLOW", "10.0.0.0/99"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v does not name %s", command, err, want)
			}
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s tells the secret: %v", command, err)
		}
	}
}
