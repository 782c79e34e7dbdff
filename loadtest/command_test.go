package loadtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/loadtest"
)

// command runs the command line and returns its exit status and output.
func command(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = loadtest.Command(t.Context(), args, &out, &errs)
	return status, out.String(), errs.String()
}

func scenarioFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.yaml")
	write(t, path, text)
	return path
}

func TestTheCommandRunsAScenarioAndWritesBothReports(t *testing.T) {
	t.Parallel()
	a, b := server(t), server(t)
	for _, client := range []string{"lean", "standard"} {
		file := scenarioFile(t, "pacing: {process: constant, rate: 500}\nduration: 100ms\nclient: "+client+
			"\nrequests: [{path: /echo, body: {bytes: 100}}]\nexpect: {rejections: 0, errors: 0, accepted: 50}\n")
		out := filepath.Join(t.TempDir(), "out.json")
		status, stdout, stderr := command(t, "-f", file, "-target", a.URL, "-target", b.URL, "-json", out)
		if status != loadtest.ExitOK || !strings.Contains(stdout, "met: rejections <= 0") {
			t.Fatalf("status %d\n%s%s", status, stdout, stderr)
		}
		raw, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		var report loadtest.Report
		if err := json.Unmarshal(raw, &report); err != nil {
			t.Fatal(err)
		}
		if report.Sent != 50 || report.Accepted != 50 || report.Bytes.Received != 5000 || report.Scenario != "s" {
			t.Errorf("report %+v", report)
		}
	}
}

func TestAMissedExpectationFailsTheCommand(t *testing.T) {
	t.Parallel()
	file := scenarioFile(t, "pacing: {process: burst, size: 5, every: 1h}\nduration: 1ms\nrequests: [{path: /full}]\nexpect: {rejections: 4}\n")
	status, stdout, _ := command(t, "-f", file, "-target", server(t).URL)
	if status != loadtest.ExitMissed || !strings.Contains(stdout, "MISSED: rejections <= 4, got 5") || !strings.Contains(stdout, "code queue_full") {
		t.Errorf("status %d\n%s", status, stdout)
	}
}

func TestMistakesOnTheCommandLineAreExplained(t *testing.T) {
	t.Parallel()
	good := scenarioFile(t, "pacing: {process: closed}\nduration: 1ms\nrequests: [{path: /}]\n")
	bad := scenarioFile(t, "pacing: {process: closed}\nduration: 1ms\nrequests: [{path: /, weihgt: 1}]\n")
	for _, tc := range []struct {
		args []string
		want string
	}{
		{nil, "-f"},
		{[]string{"x.yaml"}, "x.yaml"},
		{[]string{"-f", "/nowhere/x.yaml"}, "/nowhere/x.yaml"},
		{[]string{"-f", good}, "no target"},
		{[]string{"-f", good, "-target", "localhost"}, "http://host:port"},
		{[]string{"-f", good, "-rate", "3"}, "-rate"},
		{[]string{"-f", good, "-duration", "-3s"}, "-duration"},
		{[]string{"-f", bad, "-target", "http://a.test"}, "line 3"},
	} {
		status, _, stderr := command(t, tc.args...)
		if status != loadtest.ExitUsage || !strings.Contains(stderr, tc.want) {
			t.Errorf("%v: status %d, %q, want 2 and a word of %q", tc.args, status, stderr, tc.want)
		}
	}
	if status, _, stderr := command(t, "-h"); status != loadtest.ExitOK || !strings.Contains(stderr, "-target") {
		t.Errorf("-h: status %d, %q", status, stderr)
	}
}

func TestAReportThatCannotBeWrittenFailsTheCommand(t *testing.T) {
	t.Parallel()
	file := scenarioFile(t, "pacing: {process: burst, size: 1, every: 1h}\nduration: 1ms\nrequests: [{path: /echo}]\n")
	status, _, stderr := command(t, "-f", file, "-target", server(t).URL, "-json", "/nowhere/out.json")
	if status != loadtest.ExitMissed || !strings.Contains(stderr, "/nowhere/out.json") {
		t.Errorf("status %d, %q", status, stderr)
	}
}

func TestAnInterruptedCommandStillReports(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	file := scenarioFile(t, "pacing: {process: closed}\nduration: 1h\nrequests: [{path: /echo}]\n")
	var out, errs bytes.Buffer
	if status := loadtest.Command(ctx, []string{"-f", file, "-target", server(t).URL}, &out, &errs); status == loadtest.ExitOK {
		t.Errorf("status 0 of a run that was interrupted: %s", errs.String())
	}
}
