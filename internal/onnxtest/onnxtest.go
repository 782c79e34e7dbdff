// Package onnxtest lets tests say that they need the shared library of ONNX
// Runtime.
package onnxtest

import (
	"os"
	"testing"

	"github.com/ekiben/ekiben/internal/onnxruntime"
)

// Need returns the library. Without one the test is skipped, and fails where CI is
// set: there it would be skipped for ever.
func Need(tb testing.TB) onnxruntime.Found {
	tb.Helper()
	found, err := onnxruntime.Find(onnxruntime.Pinned())
	switch {
	case err == nil:
		return found
	case os.Getenv("CI") != "":
		tb.Fatal(err)
	default:
		tb.Skip(err)
	}
	return found
}
