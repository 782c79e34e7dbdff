// Package pythontest finds the Python interpreter that tests use.
package pythontest

import (
	"os"
	"os/exec"
	"testing"
)

// Variable names the interpreter in the environment of tests; make test sets it
// to that of the environment that test/python.sh makes.
const Variable = "TEST_PYTHON"

// Interpreter is a Python that has the packages of test/requirements.txt. A test
// is skipped where there is none, except in continuous integration, where it
// fails.
func Interpreter(tb testing.TB) string {
	tb.Helper()
	python := os.Getenv(Variable)
	if python == "" {
		python = "python3"
	}
	out, err := exec.CommandContext(tb.Context(), python, "-c", "import numpy, pandas, sklearn, PIL, nltk, vaderSentiment").CombinedOutput()
	switch {
	case err == nil:
		return python
	case os.Getenv("CI") != "":
		tb.Fatalf("%s, which %s names, cannot be used: %v\n%s", python, Variable, err, out)
	default:
		tb.Skipf("make test has a Python for this; %s cannot be used: %v\n%s", python, err, out)
	}
	return ""
}
