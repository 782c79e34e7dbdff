package gateway_test

import (
	"net/http"
	"testing"
)

func TestAnUnknownRunnerIsAProblem(t *testing.T) {
	t.Parallel()
	h := newGateway(t, newFakeQueue(everything()), setup{}).Handler()
	wantProblem(t, send(t, h, http.MethodPost, "/v1/runners/nobody/text", "x"), http.StatusNotFound, "not_found", `"nobody"`)
	wantProblem(t, send(t, h, http.MethodGet, "/nowhere", ""), http.StatusNotFound, "not_found", "route")
	wantProblem(t, send(t, h, http.MethodGet, "/v1/runners/all/text", ""), http.StatusMethodNotAllowed, "method_not_allowed")
}
