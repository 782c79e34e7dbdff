package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/gateway"
)

// documented is a gateway with a runner and services.
func documented(t *testing.T) http.Handler {
	t.Helper()
	h := newGateway(t, newFakeQueue(iris(), everything()), setup{services: []gateway.Service{{Name: "sentiment", APIs: []gateway.API{
		gateway.HandleFunc("/analysis", func(context.Context, *gateway.Client, string) (point, error) { return point{}, nil }),
		gateway.HandleFunc("/files/resize", same[[]byte]),
		gateway.HandleFunc("/points", same[point]),
	}}}}).Handler()
	for _, name := range []string{"iris_clf", "all"} {
		send(t, h, http.MethodGet, "/v1/runners/"+name, "")
	}
	return h
}

func TestOpenAPIIsOneDocumentWithoutLooseEnds(t *testing.T) {
	t.Parallel()
	w := send(t, documented(t), http.MethodGet, "/openapi.json", "")
	var doc map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc["openapi"] != "3.1.0" {
		t.Errorf("version %v", doc["openapi"])
	}
	paths := doc["paths"].(map[string]any)
	for _, path := range []string{
		"/v1/runners", "/v1/runners/{runner}", "/v1/runners/iris_clf/predict", "/v1/runners/all/two", "/v1/jobs/{id}", "/v1/jobs/{id}/result",
		"/analysis", "/files/resize", "/points",
	} {
		if paths[path] == nil {
			t.Errorf("%s is missing", path)
		}
	}
	ids := map[string]bool{}
	for path, item := range paths {
		for method, op := range item.(map[string]any) {
			checkOperation(t, method+" "+path, path, op.(map[string]any), ids)
		}
	}
	checkReferences(t, doc, doc)
}

// checkOperation holds an operation against the rules of OpenAPI 3.1 that a
// generator could break.
func checkOperation(t *testing.T, where, path string, op map[string]any, ids map[string]bool) {
	t.Helper()
	id, _ := op["operationId"].(string)
	if id == "" || ids[id] {
		t.Errorf("%s: operationId %q is missing or there twice", where, id)
	}
	ids[id] = true
	responses, _ := op["responses"].(map[string]any)
	if len(responses) == 0 {
		t.Errorf("%s has no responses", where)
	}
	for status, r := range responses {
		if !regexp.MustCompile(`^([1-5][0-9][0-9]|default)$`).MatchString(status) || r.(map[string]any)["description"] == nil {
			t.Errorf("%s: response %s", where, status)
		}
	}
	declared := fmt.Sprint(op["parameters"])
	for _, name := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1) {
		if !strings.Contains(declared, "name:"+name[1]) {
			t.Errorf("%s does not declare %s: %s", where, name[1], declared)
		}
	}
	makesCall := id == "putJob" || id == "putSchedule" || strings.HasPrefix(where, "post ") && !strings.HasPrefix(path, "/v1/jobs") && !strings.HasPrefix(path, "/v1/queues") &&
		!strings.HasPrefix(path, "/v1/schedules") && !strings.HasSuffix(path, "/cancel")
	if makesCall != (op["requestBody"] != nil) {
		t.Errorf("%s has a body: %t", where, !makesCall)
	}
}

// checkReferences fails for a $ref that leads nowhere.
func checkReferences(t *testing.T, doc map[string]any, v any) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			checkReferences(t, doc, e)
		}
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			var at any = doc
			for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
				m, _ := at.(map[string]any)
				at = m[name]
			}
			if at == nil {
				t.Errorf("%s leads nowhere", ref)
			}
		}
		for _, e := range v {
			checkReferences(t, doc, e)
		}
	}
}

func TestOpenAPIHasEveryRouteForClients(t *testing.T) {
	t.Parallel()
	g := newGateway(t, newFakeQueue(), setup{})
	var doc struct {
		Paths map[string]map[string]any
	}
	if err := json.Unmarshal(send(t, g.Handler(), http.MethodGet, "/openapi.json", "").Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, route := range gateway.Routes(g) {
		method, path, _ := strings.Cut(route, " ")
		if !strings.HasPrefix(path, "/v1/") || method == http.MethodHead || path == "/v1/runners/:runner/:method" { // each method has its own
			continue
		}
		checked++
		if path = regexp.MustCompile(`:(\w+)`).ReplaceAllString(path, "{$1}"); doc.Paths[path][strings.ToLower(method)] == nil {
			t.Errorf("%s %s is missing", method, path)
		}
	}
	if checked < 19 {
		t.Errorf("%d routes were checked", checked)
	}
}

func TestOpenAPIDescribesAMethodByItsSignature(t *testing.T) {
	t.Parallel()
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	w := send(t, documented(t), http.MethodGet, "/openapi.json", "")
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	var indented any
	if err := json.Unmarshal(doc.Paths["/v1/runners/iris_clf/predict"]["post"], &indented); err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(indented, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	wantGolden(t, "operation.json", string(got)+"\n")
}

func TestDocsHaveCommandsThatRun(t *testing.T) {
	t.Parallel()
	h := documented(t)
	w := send(t, h, http.MethodGet, "/docs", "")
	page := w.Body.String()
	wantGolden(t, "docs.html", page)
	if got := w.Header().Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'none'") || strings.Contains(got, "unsafe") {
		t.Errorf("policy %q", got)
	}
	// Every command with arguments in JSON is accepted by the gateway itself.
	commands := regexp.MustCompile(`curl &#39;http://example.com(/v1/[^&]+)&#39; \\\n.*json&#39; \\\n  --data &#39;(.*)&#39;`).FindAllStringSubmatch(page, -1)
	if len(commands) != 11 {
		t.Errorf("%d commands", len(commands))
	}
	for _, c := range commands {
		body := strings.NewReplacer("&#34;", `"`, "&#43;", "+").Replace(c[2])
		if w := send(t, h, http.MethodPost, c[1], body, "Content-Type", "application/json"); w.Code != http.StatusOK {
			t.Errorf("%s %s: %d %s", c[1], body, w.Code, w.Body)
		}
	}
}

func TestDocsEscapeWhatClientsAndWorkersChoose(t *testing.T) {
	t.Parallel()
	s := iris()
	s.Runnable = "<script>alert(1)</script>"
	s.Methods[0].Inputs[0].Name = "<img>'x"
	h := newGateway(t, newFakeQueue(s), setup{}).Handler()
	send(t, h, http.MethodGet, "/v1/runners/iris_clf", "")
	page := send(t, h, http.MethodGet, "/docs", "").Body.String()
	if strings.Contains(page, "<script") || strings.Contains(page, "<img") {
		t.Errorf("got %s", page)
	}
	if !strings.Contains(page, `&#39;\&#39;&#39;x`) {
		t.Error("a quote ends the string of the shell")
	}
}
