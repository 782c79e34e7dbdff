package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/gateway"
)

// local sends a request as the host itself does.
func local(t *testing.T, h http.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	return send(t, h, method, "http://127.0.0.1:3000"+path, "", headers...)
}

// changes are the routes that change the system.
func changes() [][2]string {
	return [][2]string{
		{http.MethodPost, "/v1/queues/all/pause"},
		{http.MethodPost, "/v1/queues/all/resume"},
		{http.MethodPost, "/v1/queues/all/drain"},
		{http.MethodPost, "/v1/queues/all/dead/redrive"},
		{http.MethodPost, "/v1/queues/all/dead/1/redrive"},
		{http.MethodDelete, "/v1/queues/all/dead"},
		{http.MethodDelete, "/v1/queues/all/dead/1"},
		{http.MethodPut, "/v1/schedules/nightly"},
		{http.MethodDelete, "/v1/schedules/nightly"},
		{http.MethodPost, "/v1/schedules/nightly/pause"},
		{http.MethodPost, "/v1/schedules/nightly/resume"},
	}
}

func TestOnlyWhoHasTheTokenChangesTheSystem(t *testing.T) {
	t.Parallel()
	q := newFakeQueue(everything())
	q.bury(letters(t, 2))
	h := newGateway(t, q, setup{config: func(c *gateway.Config) { c.AdminToken = "open sesame" }}).Handler()
	for _, c := range changes() {
		for _, headers := range [][]string{
			nil, {"Authorization", "Bearer"}, {"Authorization", "Bearer open"}, {"Authorization", "Basic open sesame"}, {"Authorization", "open sesame"},
		} {
			w := local(t, h, c[0], c[1], headers...)
			wantProblem(t, w, http.StatusUnauthorized, "unauthorized", "EKIBEN_ADMIN_TOKEN")
			if w.Header().Get("WWW-Authenticate") != "Bearer" || strings.Contains(w.Body.String(), "sesame") {
				t.Errorf("%v: %s", w.Header(), w.Body)
			}
		}
	}
	if len(q.kept.letters) != 2 || q.stats["all"].Gate != "" {
		t.Errorf("it was changed: %+v", q.stats["all"])
	}
	for _, c := range changes() {
		if w := send(t, h, c[0], c[1], "", "Authorization", "bearer open sesame"); w.Code >= 400 && w.Code != http.StatusNotFound {
			t.Errorf("%v: %d %s", c, w.Code, w.Body)
		}
	}
	if s := q.stats["all"]; len(q.kept.letters) != 0 || s.Gate != "draining" {
		t.Errorf("it was not changed: %+v", s)
	}
}

func TestWithoutATokenOnlyTheHostItselfChangesTheSystem(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		listens, host, arrives string
		may                    bool
	}{
		{"127.0.0.1:3000", "127.0.0.1:3000", "127.0.0.1:3000", true},
		{"127.0.0.1:3000", "localhost:3000", "", true},
		{"localhost:3000", "localhost", "[::1]:3000", true},
		{"[::1]:3000", "[::1]:3000", "[::1]:3000", true},
		{"127.0.0.1:3000", "attacker.example:3000", "127.0.0.1:3000", false}, // a name that was resolved anew
		{"127.0.0.1:3000", "127.0.0.1:3000", "10.0.0.1:3000", false},         // served on another listener
		{"0.0.0.0:3000", "127.0.0.1:3000", "127.0.0.1:3000", false},
		{":3000", "localhost:3000", "127.0.0.1:3000", false},
		{"10.0.0.1:3000", "10.0.0.1:3000", "10.0.0.1:3000", false},
	} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			t.Parallel()
			h := newGateway(t, newFakeQueue(everything()), setup{config: func(c *gateway.Config) { c.Addr = tt.listens }}).Handler()
			ctx := t.Context()
			if tt.arrives != "" {
				addr, err := net.ResolveTCPAddr("tcp", tt.arrives)
				if err != nil {
					t.Fatal(err)
				}
				ctx = context.WithValue(ctx, http.LocalAddrContextKey, net.Addr(addr))
			}
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/queues/all/pause", nil)
			r.Host = tt.host
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if tt.may {
				if w.Code != http.StatusOK {
					t.Errorf("got %d %s", w.Code, w.Body)
				}
				return
			}
			wantProblem(t, w, http.StatusForbidden, "forbidden", "EKIBEN_ADMIN_TOKEN")
		})
	}
}

func TestASecretIsNotPrinted(t *testing.T) {
	t.Parallel()
	c := gateway.DefaultConfig()
	c.AdminToken = "sesame"
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", c.AdminToken, "config", c)
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, printed := range []string{log.String(), string(raw), fmt.Sprintf("%v %+v %#v %s %q", c, c, c, c.AdminToken, c.AdminToken)} {
		if strings.Contains(printed, "sesame") || !strings.Contains(printed, "[hidden]") {
			t.Errorf("got %s", printed)
		}
	}
}
