package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// series is one line of the text format of Prometheus.
type series struct {
	name   string
	labels map[string]string
	value  float64
}

// scrape reads the metrics of a process.
func scrape(ctx context.Context, base string) ([]series, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("metrics of %s: %s", base, resp.Status)
	}
	return parseMetrics(resp.Body)
}

// parseMetrics reads the text format, version 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/), without
// comments and time stamps.
func parseMetrics(r io.Reader) ([]series, error) {
	var out []series
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		s, err := parseSeries(line)
		if err != nil {
			return nil, fmt.Errorf("metrics: %w in %q", err, line)
		}
		out = append(out, s)
	}
	return out, lines.Err()
}

func parseSeries(line string) (series, error) {
	end := strings.IndexAny(line, "{ ")
	if end < 0 {
		return series{}, fmt.Errorf("no value")
	}
	s := series{name: line[:end], labels: map[string]string{}}
	rest := line[end:]
	if rest[0] == '{' {
		var err error
		if rest, err = s.parseLabels(rest[1:]); err != nil {
			return s, err
		}
	}
	value, _, _ := strings.Cut(strings.TrimSpace(rest), " ") // a time stamp may follow
	var err error
	s.value, err = strconv.ParseFloat(value, 64)
	return s, err
}

// parseLabels reads a="b",c="d"} and returns what is behind it.
func (s *series) parseLabels(text string) (rest string, err error) {
	for {
		text = strings.TrimLeft(text, ", ")
		if after, ok := strings.CutPrefix(text, "}"); ok {
			return after, nil
		}
		name, quoted, ok := strings.Cut(text, "=")
		if !ok {
			return "", fmt.Errorf("labels do not end")
		}
		prefix, err := strconv.QuotedPrefix(quoted)
		if err != nil {
			return "", fmt.Errorf("value of label %s: %w", name, err)
		}
		if s.labels[name], err = strconv.Unquote(prefix); err != nil {
			return "", fmt.Errorf("value of label %s: %w", name, err)
		}
		text = quoted[len(prefix):]
	}
}

// batches is what workers say of the batches of one runner.
type batches struct {
	count   float64
	rows    float64
	reasons map[string]float64
}

// mean is the mean number of rows of a batch, 0 without batches.
func (b batches) mean() float64 {
	if b.count == 0 {
		return 0
	}
	return b.rows / b.count
}

// minus is what was counted since an earlier reading.
func (b batches) minus(earlier batches) batches {
	d := batches{count: b.count - earlier.count, rows: b.rows - earlier.rows, reasons: map[string]float64{}}
	for reason, n := range b.reasons {
		if n > earlier.reasons[reason] {
			d.reasons[reason] = n - earlier.reasons[reason]
		}
	}
	return d
}

// add counts the series of one worker in.
func (b *batches) add(all []series, runner string) {
	for _, s := range all {
		if s.labels["runner"] != runner {
			continue
		}
		switch s.name {
		case "ekiben_batch_rows_count":
			b.count += s.value
		case "ekiben_batch_rows_sum":
			b.rows += s.value
		case "ekiben_batches_total":
			b.reasons[s.labels["reason"]] += s.value
		}
	}
}

// readBatches adds up what the given workers say.
func readBatches(ctx context.Context, workers []server, runner string) (batches, error) {
	b := batches{reasons: map[string]float64{}}
	for _, w := range workers {
		all, err := scrape(ctx, w.url)
		if err != nil {
			return b, fmt.Errorf("%s: %w", w.name, err)
		}
		b.add(all, runner)
	}
	return b, nil
}
