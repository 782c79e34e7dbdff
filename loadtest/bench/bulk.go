package bench

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/ekiben/ekiben/loadtest"
)

const (
	// bulkLines is how many calls a file of benchmark 7 has.
	bulkLines = 100_000

	// largeLines is how many that of benchmark 10 has.
	largeLines = 500_000

	// bulkBytes is what each of them carries.
	bulkBytes = 256
)

// bulk is benchmark 7: calls that come as one file, against the same calls sent
// one by one.
func (b *bench) bulk(ctx context.Context) (_ []Figure, err error) {
	body := bulkBody()
	kind := call(barePath, "application/json", []byte(body))
	s, err := b.bulkStack(ctx, "bulk", kind)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()

	input := bulkInput(max(int(bulkLines*b.Scale), 100), body)
	var single, together, ratio rounds
	for range b.times(3) {
		plan := loadtest.Plan{Targets: s.targets(), Kinds: []loadtest.Kind{kind}, Connections: echoConnections, Duration: b.span(5 * time.Second)}
		report, err := b.load(ctx, "calls one by one", plan)
		if err != nil {
			return nil, err
		}
		if err := clean(report); err != nil {
			return nil, err
		}
		rate, err := b.bulkOnce(ctx, s.gateways[0], input)
		if err != nil {
			return nil, err
		}
		single, together = append(single, report.GoodputPerSecond), append(together, rate)
		ratio = append(ratio, rate/report.GoodputPerSecond)
	}
	return []Figure{
		fact(7, "calls of 256 bytes as JSON, one by one, 128 connections", single.spread("%.0f/s")),
		fact(7, "the same calls as a batch, from upload to its end", together.spread("%.0f/s")),
		atLeast(7, "batch / one by one", ratio.spread("%.2f"), ratio.median(), 0.8),
	}, nil
}

// bulkBody is what a line carries, as JSON.
func bulkBody() string {
	return fmt.Sprintf("[%q]", base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{'x'}, bulkBytes)))
}

// bulkStack starts a system that takes batches.
func (b *bench) bulkStack(ctx context.Context, name string, kind loadtest.Kind) (*stack, error) {
	blobs, err := filepath.Abs(filepath.Join(b.Keep, "blobs"))
	if err != nil {
		return nil, err
	}
	return b.stack(ctx, name, topology{
		gateways: 1, workers: 1, tasks: 1, runners: lines(echoRunner), env: []string{"EKIBEN_BLOB_URL=file://" + blobs},
	}, kind)
}

// large is benchmark 10: how many lines a second end of a batch that is large, and how
// much memory the process that runs it has at most.
func (b *bench) large(ctx context.Context) (_ []Figure, err error) {
	body := bulkBody()
	s, err := b.bulkStack(ctx, "large", call(barePath, "application/json", []byte(body)))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	n := max(int(largeLines*b.Scale), 100)
	rate, err := b.bulkOnce(ctx, s.gateways[0], bulkInput(n, body))
	if err != nil {
		return nil, err
	}
	peak, err := s.tasks[0].peakBytes()
	if err != nil {
		return nil, err
	}
	return []Figure{
		fact(10, fmt.Sprintf("a batch of %d lines of %d bytes, from upload to its end", n, bulkBytes), fmt.Sprintf("%.0f/s", rate)),
		atMost(10, "most memory of the process that runs it, MiB", fmt.Sprintf("%d MiB", peak>>20), float64(peak>>20), 256),
	}, nil
}

// bulkInput is a file of so many lines.
func bulkInput(n int, body string) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "{\"custom_id\":\"%d\",\"input\":%s}\n", i, body)
	}
	return text.String()
}

// batchState is what is read of a batch.
type batchState struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Counts struct {
		Total     int `json:"total"`
		Completed int `json:"completed"`
	} `json:"request_counts"`
}

// bulkOnce runs a batch, and returns how many lines ended in a second.
func (b *bench) bulkOnce(ctx context.Context, gateway server, input string) (rate float64, err error) {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	runner, method, _ := strings.Cut(strings.TrimPrefix(barePath, "/v1/runners/"), "/")
	state, err := askBatch(ctx, http.MethodPost, gateway.url+"/v1/batches?runner="+runner+"&method="+method, input)
	if err != nil {
		return 0, err
	}
	at := gateway.url + "/v1/batches/" + state.ID
	err = gateway.poll(ctx, func() error {
		if state, err = askBatch(ctx, http.MethodGet, at, ""); err != nil {
			return err
		}
		if state.Status != "completed" {
			return fmt.Errorf("the batch is %s", state.Status)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if state.Counts.Completed != state.Counts.Total || state.Counts.Total != strings.Count(input, "\n") {
		return 0, fmt.Errorf("%d of %d lines succeeded, %d were sent", state.Counts.Completed, state.Counts.Total, strings.Count(input, "\n"))
	}
	rate = float64(state.Counts.Completed) / time.Since(begun).Seconds()
	b.Log.InfoContext(ctx, "batch", "lines", state.Counts.Total, "rate_per_s", rate)
	return rate, nil
}

// askBatch sends a request about a batch.
func askBatch(ctx context.Context, method, url, body string) (state batchState, err error) {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return state, err
	}
	request.Header.Set("Content-Type", "application/jsonl")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return state, err
	}
	defer response.Body.Close() //nolint:errcheck // the answer is all that counts
	if response.StatusCode >= http.StatusBadRequest {
		return state, fmt.Errorf("%s %s: %s", method, url, response.Status)
	}
	return state, json.NewDecoder(response.Body).Decode(&state)
}
