package dashboard

import (
	"strconv"
	"strings"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// rateWindow is how far back rates look.
const rateWindow = 10 * time.Second

// view is what the template shows: words only.
type view struct {
	At      string
	Refresh int // seconds
	Problem string
	Totals  []total
	Runners []runnerLine
	Workers []workerLine
	Tasks   []total
	Some    []taskLine // of the tasks

	Schedules []scheduleLine
}

// total is one figure above the tables.
type total struct{ Name, Value string }

// runnerLine is one runner.
type runnerLine struct {
	Name   string
	Note   string // what is wrong, in a word or two, or nothing
	Spark  string // points of a line of the depth, or nothing
	Depth  string
	Rows   string // that wait
	Oldest string
	Rate   string
	Batch  string // mean rows
	P50    string
	P99    string
	Slots  string // busy of all instances
	Errors string
	Bad    bool // errors are there
}

// workerLine is one worker and runner.
type workerLine struct {
	Host    string
	Worker  string
	Runner  string
	Note    string
	Slots   string
	Devices []string // that its instances run on, and how these do
	Batches string
	Batch   string
	Cost    string
	Failed  string
	Bad     bool
	Beat    string
}

func viewOf(f Facts) view {
	v := view{At: f.At.UTC().Format("15:04:05") + " UTC", Refresh: int(Refresh / time.Second), Problem: f.Problem}
	depth, instances, busy, rate := 0, 0, 0, 0.0
	unknown := len(f.Runners) > 0
	for _, r := range f.Runners {
		v.Runners = append(v.Runners, runnerLineOf(r))
		depth += latest(r.Samples).Depth
		perSecond, _ := finishRate(r.Samples)
		rate += perSecond
		unknown = unknown && r.Unknown
		for _, w := range r.Workers {
			v.Workers = append(v.Workers, workerLineOf(r.Name, w))
			instances += w.Instances
			busy += w.Busy
		}
	}
	v.Totals = []total{
		{"runners", count(int64(len(f.Runners)))},
		{"calls queued", count(int64(depth))},
		{"calls a second", decimal(rate)},
		{"instances busy", count(int64(busy)) + " of " + count(int64(instances))},
	}
	v.Tasks = tasksOf(f.Tasks)
	if f.Tasks != nil {
		for _, t := range f.Tasks.Some {
			v.Some = append(v.Some, taskLineOf(t))
		}
	}
	for _, s := range f.Schedules {
		v.Schedules = append(v.Schedules, scheduleLineOf(s))
	}
	if unknown {
		v.Totals[len(v.Totals)-1].Value = "–"
	}
	return v
}

// tasksOf are the counts of background work, or nothing.
func tasksOf(t *Tasks) []total {
	if t == nil {
		return nil
	}
	return []total{
		{"active", count(int64(t.Active))},
		{"waiting", count(int64(t.Waiting))},
		{"scheduled", count(int64(t.Scheduled))},
		{"retrying", count(int64(t.Retrying))},
		{"failed", count(int64(t.Failed))},
	}
}

func runnerLineOf(r Runner) runnerLine {
	now := latest(r.Samples)
	work := sum(r.Workers)
	line := runnerLine{
		Name: r.Name, Note: note(r, now), Spark: spark(r.Samples),
		Depth: count(int64(now.Depth)), Rows: waitingRows(now), Oldest: "–", Rate: "–",
		Batch: mean(work.Rows, work.Batches), P50: quantile(work.Latency, 0.5), P99: quantile(work.Latency, 0.99),
		Slots:  strconv.Itoa(work.Busy) + " / " + strconv.Itoa(work.Instances),
		Errors: count(work.Failed), Bad: work.Failed > 0 || now.DeadLetters > 0,
	}
	if r.Unknown {
		line.Slots = "–"
	}
	if now.Waiting > 0 {
		line.Oldest = span(now.Oldest)
	}
	if rate, ok := finishRate(r.Samples); ok {
		line.Rate = decimal(rate)
	}
	if now.DeadLetters > 0 {
		line.Errors += " + " + count(int64(now.DeadLetters)) + " dead"
	}
	return line
}

// waitingRows are the rows that wait, and those of the lanes that are not normal.
func waitingRows(s queue.Stats) string {
	all := count(int64(s.WaitingRows))
	var lanes []string
	for i, name := range []string{"high", "", "low"} {
		if rows := s.Lanes[i].Rows; rows > 0 && name != "" {
			lanes = append(lanes, count(int64(rows))+" "+name)
		}
	}
	if len(lanes) == 0 {
		return all
	}
	return all + " (" + strings.Join(lanes, ", ") + ")"
}

// note is what an operator should see first about a runner.
func note(r Runner, now queue.Stats) string {
	nobody := len(r.Workers) == 0 && !r.Unknown
	switch {
	case now.Degraded:
		return "crashes in a loop"
	case now.Gate == queue.GatePaused:
		return "paused"
	case now.Gate == queue.GateDraining:
		return "draining"
	case nobody && now.Depth > 0:
		return "calls wait, no worker"
	case nobody:
		return "no worker"
	case r.MaxQueue > 0 && now.Depth >= r.MaxQueue:
		return "queue full"
	case r.MaxQueue > 0 && now.Depth*10 >= r.MaxQueue*8:
		return "queue almost full"
	}
	return ""
}

func workerLineOf(runner string, w queue.Heartbeat) workerLine {
	line := workerLine{
		Host: w.Host + ":" + strconv.Itoa(w.PID), Worker: w.Worker, Runner: runner,
		Slots: strconv.Itoa(w.Busy) + " / " + strconv.Itoa(w.Instances), Batches: count(w.Batches),
		Batch: mean(w.Rows, w.Batches), Cost: "learning", Failed: count(w.Failed), Bad: w.Failed > 0,
		Beat: span(w.Age) + " ago",
	}
	if w.FixedMS > 0 || w.PerRowMS > 0 {
		line.Cost = decimal(w.FixedMS) + " ms + " + decimal(w.PerRowMS) + " ms · rows"
	}
	if w.Draining {
		line.Note = "draining"
	}
	for _, d := range w.Devices {
		line.Devices = append(line.Devices, deviceText(d))
	}
	return line
}

// deviceText is a device and how it does, such as "GPU 0 · 71 % · 8.1 of 80 GB".
func deviceText(d queue.Device) string {
	text := "GPU " + d.ID
	if d.Utilization != nil {
		text += " · " + decimal(100**d.Utilization) + " %"
	}
	if d.MemoryTotal > 0 {
		text += " · " + decimal(float64(d.MemoryUsed)/1e9) + " of " + decimal(float64(d.MemoryTotal)/1e9) + " GB"
	}
	if d.Temperature != nil {
		text += " · " + decimal(*d.Temperature) + " °C"
	}
	return text
}

// latest is the newest sample, or zeros.
func latest(samples []queue.Stats) queue.Stats {
	if len(samples) == 0 {
		return queue.Stats{}
	}
	return samples[len(samples)-1]
}

// finishRate is how many calls a second were finished of late. It is not known
// from one sample, nor across a flush of Redis, which takes counters back.
func finishRate(samples []queue.Stats) (perSecond float64, ok bool) {
	now := latest(samples)
	for _, s := range samples {
		if since := now.At - s.At; since > 0 && since <= rateWindow+rateWindow/20 {
			finished := now.Finished - s.Finished
			return float64(max(finished, 0)) / since.Seconds(), finished >= 0
		}
	}
	return 0, false
}

// sum adds the workers of a runner up.
func sum(workers []queue.Heartbeat) queue.Heartbeat {
	all := queue.Heartbeat{Latency: make([]int64, queue.LatencyBuckets)}
	for _, w := range workers {
		all.Instances += w.Instances
		all.Busy += w.Busy
		all.Batches += w.Batches
		all.Rows += w.Rows
		all.Failed += w.Failed
		for i, n := range w.Latency[:min(len(w.Latency), queue.LatencyBuckets)] {
			all.Latency[i] += n
		}
	}
	return all
}

// quantile is the bound of the bucket that holds the q-quantile of a histogram,
// see [queue.LatencyBound].
func quantile(latency []int64, q float64) string {
	total := int64(0)
	for _, n := range latency {
		total += n
	}
	if total == 0 {
		return "–"
	}
	rank, seen := q*float64(total), int64(0)
	for i, n := range latency {
		seen += n
		if n > 0 && float64(seen) >= rank {
			if i == queue.LatencyBuckets-1 {
				return "> " + span(queue.LatencyBound(i-1))
			}
			return span(queue.LatencyBound(i))
		}
	}
	return "–"
}

// sparkWidth and sparkHeight are the size of the line of the depth.
const sparkWidth, sparkHeight = 90, 18

// spark are the points of a line of the depth over the samples, the highest at
// the top.
func spark(samples []queue.Stats) string {
	highest := 0
	for _, s := range samples {
		highest = max(highest, s.Depth)
	}
	if len(samples) < 2 || highest == 0 {
		return ""
	}
	var points strings.Builder
	for i, s := range samples {
		x := float64(i) * sparkWidth / float64(len(samples)-1)
		y := 1 + (sparkHeight-2)*(1-float64(s.Depth)/float64(highest))
		if i > 0 {
			points.WriteByte(' ')
		}
		points.WriteString(strconv.FormatFloat(x, 'f', 1, 64) + "," + strconv.FormatFloat(y, 'f', 1, 64))
	}
	return points.String()
}
