package e2e_test

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/internal/processes"
)

// What the README promises a newcomer: one command, one curl.
func TestSentimentServiceAnswersOnAnEmbeddedRedis(t *testing.T) {
	t.Parallel()

	addr := processes.FreeAddr(t)
	p := launch(t, []string{"EKIBEN_HTTP_ADDR=" + addr}, processes.Binary(t, sentiment), "serve")
	ready(t, addr)
	base := "http://" + addr

	for text, want := range map[string]string{
		"BentoML is great":                     `{"is_positive":true}`,
		"This is the worst day of my life. :(": `{"is_positive":false}`,
		"":                                     `{"is_positive":false}`,
	} {
		a := post(t, base+"/analysis", text, "Content-Type", "application/text")
		if a.status != http.StatusOK || a.body != want {
			t.Errorf("POST /analysis %q answers %d %s, want %s", text, a.status, a.body, want)
		}
	}

	a := post(t, base+"/v1/runners/sentiment/scores", `{"texts": ["I love it!", "meh", "terrible, awful :("]}`, "Content-Type", "application/json")
	var scores []struct{ Compound, Pos, Neu, Neg float64 }
	if err := json.Unmarshal([]byte(a.body), &scores); err != nil || len(scores) != 3 {
		t.Fatalf("scores answers %d %s: %v", a.status, a.body, err)
	}
	if scores[0].Compound < 0.6 || scores[2].Compound > -0.6 {
		t.Errorf("scores are %+v", scores)
	}
	if a.header.Get("Server-Timing") == "" {
		t.Errorf("no Server-Timing in %v", a.header)
	}

	for _, path := range []string{"/livez", "/healthz", "/metrics", "/openapi.json", "/docs", "/dashboard", "/v1/runners", "/v1/runners/sentiment"} {
		if a := get(t, base+path); a.status != http.StatusOK {
			t.Errorf("GET %s answers %d %s", path, a.status, a.body)
		}
	}
	if err := p.Stop(); err != nil {
		t.Errorf("serve ended with %v", err)
	}
}

func TestCommandLineCallsAndLists(t *testing.T) {
	t.Parallel()

	addr := processes.FreeAddr(t)
	launch(t, []string{"EKIBEN_HTTP_ADDR=" + addr}, processes.Binary(t, sentiment), "serve")
	ready(t, addr)
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), processes.Binary(t, stock), args...)
		cmd.Env = append(cmd.Environ(), "EKIBEN_URL=http://"+addr)
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"call", "sentiment", "is_positive", "--text", "lovely"}, "true"},
		{[]string{"call", "sentiment", "scores", "--json", `{"texts": ["lovely"]}`}, `"compound"`},
		{[]string{"call", "sentiment", "is_positive", "--text", "lovely", "--async"}, `"state":"queued"`},
		{[]string{"runners", "list"}, "is_positive, scores"},
		{[]string{"runners", "list", "-o", "json"}, `"runners"`},
		{[]string{"runners", "show", "sentiment"}, "input_text"},
		{[]string{"runners", "show", "sentiment", "-o", "yaml"}, "name: is_positive"},
	} {
		if out, err := run(tc.args...); err != nil || !strings.Contains(out, tc.want) {
			t.Errorf("ekiben %s answers %q, %v; want %q in it", strings.Join(tc.args, " "), out, err, tc.want)
		}
	}
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"call", "nobody", "scores", "--text", "x"}, "not_found"},
		{[]string{"call", "sentiment", "scores", "--json", "{"}, "not valid JSON"},
		{[]string{"call", "sentiment", "scores"}, "at least one of the flags"},
		{[]string{"runners", "list", "--url", "http://127.0.0.1:1"}, "no gateway answers at"},
	} {
		if out, err := run(tc.args...); err == nil || !strings.Contains(out, tc.want) {
			t.Errorf("ekiben %s answers %q, %v; want it to fail with %q", strings.Join(tc.args, " "), out, err, tc.want)
		}
	}
}
