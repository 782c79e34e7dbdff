package worker

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/ekiben/ekiben/runnables"
)

// specOf is what the runner publishes about itself. Methods are in the order of
// their names, so that equal runners have equal specs.
func specOf(options runnables.Runner, ms []runnables.Method) runnables.Spec {
	spec := runnables.Spec{
		Runner: options.Name, Runnable: options.Runnable,
		MaxQueue: options.MaxQueue, MaxQueueBytes: options.MaxQueueBytes, FromZero: options.FromZero,
		MaxConcurrency: options.MaxConcurrency,
	}
	if options.Retry.WithDefaults() != (runnables.RetryPolicy{}).WithDefaults() {
		retry := options.Retry.Spec()
		spec.Retry = &retry
	}
	for _, m := range ms {
		published := runnables.MethodSpec{Signature: m.Signature}
		if m.Batchable {
			most, wait := options.Limits(m.Name)
			published.MaxBatchSize = most
			published.MaxLatencyMS = float64(wait) / float64(time.Millisecond)
		}
		spec.Methods = append(spec.Methods, published)
	}
	slices.SortFunc(spec.Methods, func(a, b runnables.MethodSpec) int { return cmp.Compare(a.Name, b.Name) })
	return spec
}

// sameSignatures reports whether two specs have the same methods, whatever their
// limits.
func sameSignatures(a, b []byte) bool {
	sa, errA := signatures(a)
	sb, errB := signatures(b)
	return errA == nil && errB == nil && bytes.Equal(sa, sb)
}

// signatures are those of a spec as canonical JSON.
func signatures(raw []byte) ([]byte, error) {
	var spec runnables.Spec
	if err := json.Unmarshal(raw, &spec); err != nil {
		return nil, err
	}
	sigs := make([]runnables.Signature, len(spec.Methods))
	for i, m := range spec.Methods {
		sigs[i] = m.Signature
	}
	return json.Marshal(sigs)
}
