package e2e_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/internal/onnxtest"
	"github.com/ekiben/ekiben/internal/processes"
)

// reading is what the runner of examples/digits answers.
type reading struct {
	Digits        []int       `json:"digits"`
	Probabilities [][]float64 `json:"probabilities"`
}

// serveDigits starts the example as its README says, and returns the address of
// its method.
func serveDigits(t *testing.T) string {
	t.Helper()
	onnxtest.Need(t)
	addr := processes.FreeAddr(t)
	processes.Launch(t, processes.Command{
		Program: processes.Binary(t, stock), Args: []string{"serve"}, Dir: digitsFile(""), Env: []string{"EKIBEN_HTTP_ADDR=" + addr},
	})
	ready(t, addr)
	return "http://" + addr + "/v1/runners/digits/run"
}

func digitsFile(name string) string { return filepath.Join(root, "examples", "digits", name) }

func digitsText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(digitsFile(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func read(t *testing.T, url, body string) reading {
	t.Helper()
	a := post(t, url, body, "Content-Type", "application/json")
	var r reading
	if err := json.Unmarshal([]byte(a.body), &r); err != nil || a.status != http.StatusOK {
		t.Fatalf("status %d, %v: %s", a.status, err, a.body)
	}
	return r
}

// The README of the example shows what is answered, and how often it is right.
func TestExampleDigits(t *testing.T) {
	t.Parallel()

	url := serveDigits(t)
	readme := digitsText(t, "README.md")
	shown := regexp.MustCompile("(?s)```json\n(.*?)```").FindStringSubmatch(readme)
	if shown == nil {
		t.Fatal("the README shows no answer")
	}
	var want reading
	if err := json.Unmarshal([]byte(shown[1]), &want); err != nil {
		t.Fatal(err)
	}
	got := read(t, url, digitsText(t, "seven.json"))
	if fmt.Sprint(got.Digits) != fmt.Sprint(want.Digits) || len(got.Probabilities) != 1 || len(got.Probabilities[0]) != 10 {
		t.Fatalf("got %+v, the README says %+v", got, want)
	}
	for i, p := range got.Probabilities[0] {
		if math.Abs(p-want.Probabilities[0][i]) > 1e-4 {
			t.Errorf("the probability of %d is %v, the README says %v", i, p, want.Probabilities[0][i])
		}
	}

	right, of := heldOut(t, url)
	if claim := fmt.Sprintf("Of the %d images", of); !strings.Contains(readme, claim) {
		t.Errorf("the README does not say %q", claim)
	}
	if claim := fmt.Sprintf("it reads %d right: %.1f %%", right, 100*float64(right)/float64(of)); !strings.Contains(readme, claim) {
		t.Errorf("%s, which the README does not say", claim)
	}
}

// heldOut reads all held-out images in one call, and counts.
func heldOut(t *testing.T, url string) (right, of int) {
	t.Helper()
	var images, digits []string
	for line := range strings.Lines(digitsText(t, "heldout.csv")) {
		digit, image, _ := strings.Cut(strings.TrimSpace(line), ",")
		digits, images = append(digits, digit), append(images, "["+image+"]")
	}
	got := read(t, url, `{"images":[`+strings.Join(images, ",")+`]}`)
	if len(got.Digits) != len(digits) {
		t.Fatalf("%d images are answered with %d digits", len(digits), len(got.Digits))
	}
	for i, digit := range digits {
		if fmt.Sprint(got.Digits[i]) == digit {
			right++
		}
	}
	return right, len(digits)
}

func TestWithoutTheLibraryAWorkerSaysHowToInstallIt(t *testing.T) {
	t.Parallel()

	p := processes.Launch(t, processes.Command{
		Program: processes.Binary(t, stock), Args: []string{"serve"}, Dir: digitsFile(""), Quiet: true,
		Env: []string{"EKIBEN_HTTP_ADDR=" + processes.FreeAddr(t), "ONNXRUNTIME_LIB=" + filepath.Join(t.TempDir(), "none.so")},
	})
	processes.Eventually(t, "the log names the command", func() bool { return strings.Contains(p.Log(), "ekiben runtime install onnx") })
}
