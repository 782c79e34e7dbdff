package loadtest

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// histogramLimit is the longest time that is told apart; what takes longer
// counts as this. Three significant digits are kept below it.
const histogramLimit = time.Hour

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, histogramLimit.Microseconds(), 3)
}

func record(h *hdrhistogram.Histogram, d time.Duration) {
	// Clamped, so it cannot be out of range.
	_ = h.RecordValue(min(max(d, 0), histogramLimit).Microseconds())
}

// sample is what became of one request. Instants count from the start of the
// run.
type sample struct {
	request *Request
	due     time.Duration // when it should have been sent
	sent    time.Duration // when it was
	done    time.Duration // when its answer was complete
	reply   Reply
	err     error
}

// recorder adds samples up. A sample belongs to the window if its request was
// due in it; goodput counts the accepted answers that came in the window,
// whenever they were sent, because that is the rate at which the server worked.
type recorder struct {
	from, to time.Duration // the window

	mu       sync.Mutex // guards what follows
	report   Report
	accepted *hdrhistogram.Histogram
	refused  *hdrhistogram.Histogram
	late     *hdrhistogram.Histogram
	inWindow int64 // accepted answers that came in the window
	last     time.Duration
}

func newRecorder(from, to time.Duration) *recorder {
	return &recorder{
		from: from, to: to,
		report: Report{
			ByStatus: map[int]int64{}, ByCode: map[string]int64{},
			Errors: map[string]int64{}, Kinds: map[string]KindCounts{},
		},
		accepted: newHistogram(), refused: newHistogram(), late: newHistogram(),
	}
}

func (r *recorder) add(s sample) {
	r.mu.Lock()
	defer r.mu.Unlock()

	ok := s.err == nil && s.reply.Accepted()
	if ok && s.done >= r.from && s.done < r.to {
		r.inWindow++
	}
	if s.due < r.from || s.due >= r.to {
		return
	}
	r.last = max(r.last, s.done)
	r.report.Sent++
	r.report.Bytes.Sent += int64(len(s.request.Body))
	r.report.Bytes.Received += s.reply.Bytes
	record(r.late, s.sent-s.due)

	kind := r.report.Kinds[s.request.Kind]
	kind.Sent++
	switch {
	case s.err != nil:
		r.report.Failed++
		r.report.Errors[ErrorKind(s.err)]++
		if r.report.FirstError == "" {
			r.report.FirstError = s.err.Error()
		}
	case ok:
		r.report.Accepted++
		kind.Accepted++
		record(r.accepted, s.done-s.due)
	default:
		r.report.Refused++
		record(r.refused, s.done-s.due)
	}
	if s.err == nil {
		r.report.Answered++
		r.report.ByStatus[s.reply.Status]++
	}
	if s.reply.Code != "" {
		r.report.ByCode[s.reply.Code]++
	}
	r.report.Kinds[s.request.Kind] = kind
}

// result is called once, when no request is in flight any more.
func (r *recorder) result() Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	report := r.report
	window := (r.to - r.from).Seconds()
	report.WindowSeconds = window
	report.LastAnswerSeconds = max(r.last-r.from, 0).Seconds()
	report.SentPerSecond = float64(report.Sent) / window
	report.GoodputPerSecond = float64(r.inWindow) / window
	report.Latency = Latencies{Accepted: summarize(r.accepted), Refused: summarize(r.refused)}
	report.Lateness = summarize(r.late)
	return report
}
