package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ekiben/ekiben/internal/processes"
)

// numbers is a runner that takes its time with numbers, some of them at a time.
const numbers = `
runners:
  - {name: numbers, runnable: sleep, init: {fixed: 30ms, per_row: 0s, datatype: INT64}, max_batch_size: 8, replicas: 1}
`

// batchView is what is read of a batch.
type batchView struct {
	ID     string
	Status string
	Output string                                 `json:"output_file_id"`
	Errors string                                 `json:"error_file_id"`
	Counts struct{ Total, Completed, Failed int } `json:"request_counts"`
}

// readBatch reads a batch from an answer.
func readBatch(t *testing.T, a answer, status int) batchView {
	t.Helper()
	var b batchView
	if err := json.Unmarshal([]byte(a.body), &b); err != nil || a.status != status {
		t.Fatalf("a batch is %d %s", a.status, a.body)
	}
	return b
}

// batches are all that a gateway has.
func batches(t *testing.T, base string) []batchView {
	t.Helper()
	var list struct{ Data []batchView }
	a := get(t, base+"/v1/batches")
	if err := json.Unmarshal([]byte(a.body), &list); err != nil || a.status != http.StatusOK {
		t.Fatalf("batches are %d %s", a.status, a.body)
	}
	return list.Data
}

// servesNumbers starts a process that has all parts and keeps its data.
func servesNumbers(t *testing.T, addr, data string) *processes.Process {
	t.Helper()
	config := filepath.Join(t.TempDir(), "ekiben.yaml")
	if err := os.WriteFile(config, []byte(numbers), 0o600); err != nil {
		t.Fatal(err)
	}
	p := launch(t, []string{"EKIBEN_HTTP_ADDR=" + addr, "EKIBEN_CONFIG=" + config, "EKIBEN_LEASE=1s", "EKIBEN_BATCH_WINDOW=8"},
		processes.Binary(t, stock), "serve", "--data", data)
	t.Cleanup(func() { _ = p.Stop() }) // so that its redis-server does not write while the folder is removed
	ready(t, addr)
	return p
}

// Both who asks and who serves are killed in the middle of a file. The same command
// then goes on with what it began.
func TestAFileOfCallsIsContinuedWhereItWasKilled(t *testing.T) {
	t.Parallel()

	const lines, wrong = 300, 117
	var input strings.Builder
	for i := 1; i <= lines; i++ {
		value := fmt.Sprint(7 * i)
		if i == wrong {
			value = `"no number"`
		}
		fmt.Fprintf(&input, "{\"custom_id\":\"line %d\",\"input\":[%s]}\n", i, value)
	}
	data, addr, folder := t.TempDir(), processes.FreeAddr(t), t.TempDir()
	base, in, out := "http://"+addr, filepath.Join(folder, "in.jsonl"), filepath.Join(folder, "out.jsonl")
	if err := os.WriteFile(in, []byte(input.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	call := func() *processes.Process {
		return launch(t, nil, processes.Binary(t, stock), "call", "numbers", "run", "--file", in, "--out", out, "--url", base)
	}
	serving := servesNumbers(t, addr, data)
	asking := call()
	processes.Eventually(t, "some lines have ended", func() bool {
		all := batches(t, base)
		return len(all) == 1 && all[0].Counts.Completed > lines/10
	})
	asking.Signal(syscall.SIGKILL)
	serving.Signal(syscall.SIGKILL)
	<-asking.Done()
	<-serving.Done()
	if _, err := os.Stat(out); err == nil {
		t.Fatal("the file was complete before it was interrupted")
	}

	servesNumbers(t, addr, data)
	again := call()
	<-again.Done()
	if want := fmt.Sprintf("1 of %d lines failed", lines); !strings.Contains(again.Log(), want) {
		t.Errorf("the command says %s, want %s", again.Log(), want)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for line := range strings.Lines(string(text)) {
		i++
		want := fmt.Sprintf(`{"custom_id":"line %d","line":%d,"status":200,"result":[%d]}`+"\n", i, i, 7*i)
		if i == wrong {
			want = fmt.Sprintf(`{"custom_id":"line %d","line":%d,"status":400,"error":`, i, i)
		}
		if !strings.HasPrefix(line, want) {
			t.Errorf("line %d is %s, want %s", i, line, want)
		}
	}
	if all := batches(t, base); i != lines || len(all) != 1 || all[0].Counts.Completed != lines-1 || all[0].Counts.Failed != 1 {
		t.Errorf("%d lines came back, want %d; the batches are %+v, want one", i, lines, all)
	}
	if _, err := os.Stat(out + ".state"); err == nil {
		t.Error("the note is still there")
	}
}

// What OpenAI's clients send: a form with a file, a batch of it, and the files that
// the batch names at its end.
func TestABatchInOpenAIsShape(t *testing.T) {
	t.Parallel()

	addr := processes.FreeAddr(t)
	base := "http://" + addr
	servesNumbers(t, addr, t.TempDir())
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	if err := w.WriteField("purpose", "batch"); err != nil {
		t.Fatal(err)
	}
	part, err := w.CreateFormFile("file", "in.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for i, body := range []string{"[1,2]", `["x"]`, "[3]"} {
		_, _ = fmt.Fprintf(part, `{"custom_id":"r%d","method":"POST","url":"/v1/runners/numbers/run","body":%s}`+"\n", i, body) // into memory
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	a := post(t, base+"/v1/files", form.String(), "Content-Type", w.FormDataContentType())
	var file struct {
		ID, Object, Purpose string
		Bytes               int
	}
	if err := json.Unmarshal([]byte(a.body), &file); err != nil || a.status != http.StatusOK || file.Object != "file" || file.Purpose != "batch" {
		t.Fatalf("a file got %d %s", a.status, a.body)
	}
	asked := `{"input_file_id":"` + file.ID + `","endpoint":"/v1/runners/numbers/run","completion_window":"24h"}`
	b := readBatch(t, post(t, base+"/v1/batches", asked, "Content-Type", "application/json"), http.StatusAccepted)
	processes.Eventually(t, "the batch has ended", func() bool {
		b = readBatch(t, get(t, base+"/v1/batches/"+b.ID), http.StatusOK)
		return b.Status == "completed"
	})
	if b.Counts.Total != 3 || b.Counts.Completed != 2 || b.Counts.Failed != 1 {
		t.Errorf("the batch is %+v", b)
	}
	if got := foreign(t, base, b.Output); len(got) != 2 || got[0] != "r0 200 [1,2] " || got[1] != "r2 200 [3] " {
		t.Errorf("the results are %q", got)
	}
	if got := foreign(t, base, b.Errors); len(got) != 1 || !strings.HasPrefix(got[0], "r1 400 {") || !strings.HasSuffix(got[0], "} ") || !strings.Contains(got[0], "invalid_input") {
		t.Errorf("the errors are %q", got)
	}
}

// foreign are the lines of a file of outcomes: custom_id, status, body and the
// code of an error.
func foreign(t *testing.T, base, file string) []string {
	t.Helper()
	a := get(t, base+"/v1/files/"+file+"/content")
	if a.status != http.StatusOK {
		t.Fatalf("file %s is %d %s", file, a.status, a.body)
	}
	var all []string
	for line := range strings.Lines(a.body) {
		var o struct {
			CustomID string `json:"custom_id"`
			Response struct {
				Status int `json:"status_code"`
				Body   json.RawMessage
			}
			Error struct{ Code string }
		}
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, fmt.Sprintf("%s %d %s %s", o.CustomID, o.Response.Status, o.Response.Body, o.Error.Code))
	}
	return all
}
