package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ekiben/ekiben/queue"
)

func TestTheDashboardShowsRunnersAndWorkersAndRunsNoScript(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue(iris())
		q.stats["iris_clf"] = queue.Stats{Depth: 4321}
		q.beats["iris_clf"] = []queue.Heartbeat{{Host: "gpu-a", PID: 17, Instances: 2}}
		g := newGateway(t, q, setup{})
		defer running(t, g)()
		synctest.Wait()
		w := send(t, g.Handler(), http.MethodGet, "/dashboard", "")
		for _, want := range []string{"iris_clf", "4\u2009321", "gpu-a:17", `content="2"`} {
			if !strings.Contains(w.Body.String(), want) {
				t.Errorf("%q is not in %s", want, w.Body)
			}
		}
		for name, want := range map[string]string{
			"Content-Type":            "text/html; charset=UTF-8",
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
			"Referrer-Policy":         "no-referrer",
			"Cache-Control":           "no-store",
			"X-Content-Type-Options":  "nosniff",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	})
}

func TestTheStyleSheetIsThere(t *testing.T) {
	t.Parallel()
	w := send(t, newGateway(t, newFakeQueue(), setup{}).Handler(), http.MethodGet, "/dashboard/style.css", "")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(w.Body.String(), "prefers-color-scheme: dark") {
		t.Errorf("%d %s", w.Code, w.Header().Get("Content-Type"))
	}
}

func TestALookAtThePagesBeforeAnythingIsKnownSaysWhatToDo(t *testing.T) {
	t.Parallel()
	h := newGateway(t, newFakeQueue(), setup{}).Handler()
	for _, path := range []string{"/dashboard", "/docs"} {
		if w := send(t, h, http.MethodGet, path, ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "ekiben worker") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}
