package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// memory is how much of it processes had while something ran.
type memory struct {
	names   []string
	samples [][]float64 // by process, in MiB
}

// watch samples the memory of all processes of a stack until ctx ends.
func (s *stack) watch(ctx context.Context) memory {
	processes := s.processes()
	m := memory{samples: make([][]float64, len(processes))}
	for _, p := range processes {
		m.names = append(m.names, p.name)
	}
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		for i, p := range processes {
			if bytes, err := p.residentBytes(); err == nil { // it may have ended
				m.samples[i] = append(m.samples[i], float64(bytes)/(1<<20))
			}
		}
		select {
		case <-ctx.Done():
			return m
		case <-ticker.C:
		}
	}
}

// growth is by how much the process that grew the most exceeded, in the second
// half, its peak of the first half, in MiB. A queue that is not bounded, or
// whatever else is kept a call, shows in it.
func (m memory) growth() float64 {
	most := 0.0
	for _, samples := range m.samples {
		if half := len(samples) / 2; half > 0 {
			most = max(most, slices.Max(samples[half:])-slices.Max(samples[:half]))
		}
	}
	return most
}

// peaks names the largest size of every process.
func (m memory) peaks() string {
	var parts []string
	for i, samples := range m.samples {
		if len(samples) > 0 {
			parts = append(parts, fmt.Sprintf("%s %.0f MiB", m.names[i], slices.Max(samples)))
		}
	}
	return strings.Join(parts, ", ")
}
