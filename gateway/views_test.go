package gateway_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// wantGolden fails unless got is what the file says. With EKIBEN_UPDATE set it
// writes the file.
func wantGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("EKIBEN_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil { //nolint:gosec // not a secret
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant %s\n%s", got, path, want)
	}
}

// iris is a small runner.
func iris() runnables.Spec {
	s := spec("iris_clf",
		runnables.Signature{
			Name: "predict", Batchable: true,
			Inputs:  []runnables.ValueSpec{value("features", tensor.FP32, "", -1, 4)},
			Outputs: []runnables.ValueSpec{value("label", tensor.Int64, "", -1), value("name", tensor.Bytes, runnables.Text, -1)},
		},
		echoes("describe", false, value("doc", tensor.Bytes, runnables.JSON)),
	)
	s.Runnable = "onnx"
	return s
}

func TestARunnerIsDescribedWithAllThatACallerNeeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue(iris())
		q.stats["iris_clf"] = queue.Stats{Depth: 12, Waiting: 10, WaitingRows: 30, Bytes: 4096, Oldest: 1500 * time.Millisecond, DeadLetters: 3}
		q.beats["iris_clf"] = []queue.Heartbeat{{Instances: 2, Busy: 1}, {Worker: "gpu-b-1", Instances: 4, Busy: 4, Devices: []queue.Device{{ID: "0", Instances: 4, UUID: "GPU-5c89", MemoryTotal: 80e9, MemoryUsed: 8e9}}}}
		g := newGateway(t, q, setup{})
		defer running(t, g)()
		synctest.Wait()
		one := send(t, g.Handler(), http.MethodGet, "/v1/runners/iris_clf", "").Body.String()
		wantGolden(t, "runner.json", one)
		wantBody(t, send(t, g.Handler(), http.MethodGet, "/v1/runners", ""), http.StatusOK, `{"runners":[`+one[:len(one)-1]+"]}\n")
	})
}

func TestNoWaitAndFractionsOfAWaitAreShown(t *testing.T) {
	t.Parallel()
	for ms, want := range map[float64][2]string{
		0:   {`"max_latency_ms":0,`, "32 rows a batch, without waiting"},
		0.5: {`"max_latency_ms":0.5,`, "waiting at most 0.5 ms"},
	} {
		s := iris()
		s.Methods[0].MaxLatencyMS = ms
		h := newGateway(t, newFakeQueue(s), setup{}).Handler()
		if got := send(t, h, http.MethodGet, "/v1/runners/iris_clf", "").Body.String(); !strings.Contains(got, want[0]) {
			t.Errorf("%s is not in %s", want[0], got)
		}
		if got := send(t, h, http.MethodGet, "/docs", "").Body.String(); !strings.Contains(got, want[1]) {
			t.Errorf("%q is not in %s", want[1], got)
		}
	}
}

func TestALookAtRunnersBeforeAnythingIsKnown(t *testing.T) {
	t.Parallel()
	q := newFakeQueue()
	h := newGateway(t, q, setup{}).Handler()
	wantBody(t, send(t, h, http.MethodGet, "/v1/runners", ""), http.StatusOK, "{\"runners\":[]}\n")
	wantProblem(t, send(t, h, http.MethodGet, "/v1/runners/nobody", ""), http.StatusNotFound, "not_found")
}
