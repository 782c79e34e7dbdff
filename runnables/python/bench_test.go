//go:build linux

package python_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// A round trip is a call of so many bytes that is answered with four, or with what
// came.
func BenchmarkRoundTrip(b *testing.B) {
	i := start(b, setup("subject:Subject"))
	for _, size := range []int{1 << 10, 602_112, 9_633_792} {
		in := [][]tensor.Tensor{{ramp(b, 0, 1, size/4)}}
		b.Run(fmt.Sprintf("%d bytes in, 4 out", size), func(b *testing.B) { roundTrips(b, method(b, i, "first"), in) })
		b.Run(fmt.Sprintf("%d bytes in, as many out", size), func(b *testing.B) { roundTrips(b, method(b, i, "echo"), in) })
	}
}

func roundTrips(b *testing.B, m runnables.Method, in [][]tensor.Tensor) {
	b.Helper()
	b.ReportAllocs()
	took := make([]float64, 0, b.N)
	for b.Loop() {
		began := time.Now()
		out, err := m.RunParts(b.Context(), in)
		if err != nil {
			b.Fatal(err)
		}
		if out.Release != nil {
			out.Release()
		}
		took = append(took, float64(time.Since(began)))
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2]/1e3, "µs-p50")
}
