package queue

import "time"

// Stats are what a runner's queue looks like at one moment.
type Stats struct {
	Runner string

	// At is Redis's clock, for differences between two Stats.
	At time.Duration

	// Depth is how many calls are queued or running: what XLEN says.
	Depth int

	// Waiting is how many of them wait, WaitingRows how many rows those have.
	Waiting, WaitingRows int

	// Bytes is the size of all entries, waiting and running.
	Bytes int64

	// Oldest is how long the oldest waiting call has waited.
	Oldest time.Duration

	// Workers is how many workers are alive.
	Workers int

	// Counters since the queue exists; they restart at 0 when Redis is flushed.
	Accepted, Finished, FinishedRows, Expired, Canceled, Buried int64

	// DeadLetters is how many are kept.
	DeadLetters int

	// Lanes are what waits by lane: high, normal, low.
	Lanes [3]LaneStats

	// Gate is what the queue lets through.
	Gate Gate

	// Callers is how many have calls queued or running.
	Callers int

	// ResultBytes is what is kept of ended jobs.
	ResultBytes int64

	// Errands are those that no process of tasks has taken up.
	Errands ErrandStats

	// Degraded: the runner has crashed more than three times in a minute, and
	// waits in between.
	Degraded bool
}

// ErrandStats are errands that nobody has taken up, and jobs that are to be queued
// later and need none.
type ErrandStats struct {
	// Due is how many are to be done by now, Oldest for how long the first of them
	// has been.
	Due    int
	Oldest time.Duration
	// Ahead is how many have time, Near how many jobs are queued within a minute.
	Ahead, Near int
}

// LaneStats are what waits in one lane.
type LaneStats struct {
	Calls, Rows int
	Oldest      time.Duration
}

// Heartbeat is what a worker says about itself and one of its runners, every
// few seconds.
type Heartbeat struct {
	Worker    string `json:"worker"`
	Host      string `json:"host"`
	PID       int    `json:"pid"`
	Instances int    `json:"instances"`
	Busy      int    `json:"busy"`
	Draining  bool   `json:"draining,omitempty"`

	// Spec is a digest of the spec that the worker serves.
	Spec string `json:"spec,omitempty"`

	// Counters since the worker started.
	Batches int64 `json:"batches"`
	Rows    int64 `json:"rows"`
	Calls   int64 `json:"calls"`
	Failed  int64 `json:"failed"`

	// The cost model: a batch of n rows takes FixedMS + n*PerRowMS. Zero until
	// learnt.
	FixedMS  float64 `json:"fixed_ms"`
	PerRowMS float64 `json:"per_row_ms"`

	// Latency counts the calls that ended in about the last minute, by time from
	// acceptance to their end: Latency[i] took at most [LatencyBound](i).
	Latency []int64 `json:"latency,omitempty"`

	// Devices are what its instances run on, where that is not the CPU.
	Devices []Device `json:"devices,omitempty"`

	// Age is how long ago the heartbeat was, set when it is read.
	Age time.Duration `json:"-"`
}

// Device is a device that instances run on, such as a GPU. What nobody knows is
// left out.
type Device struct {
	// ID is what its instances know it by: an index or a UUID.
	ID string `json:"id"`
	// Instances are those of the runner in the worker.
	Instances int `json:"instances"`

	UUID string `json:"uuid,omitempty"`
	Name string `json:"name,omitempty"`

	// In bytes.
	MemoryTotal uint64 `json:"memory_total,omitempty"`
	MemoryUsed  uint64 `json:"memory_used,omitempty"`

	// Utilization is how much of the time it works, 0 to 1; Temperature is in
	// degrees Celsius.
	Utilization *float64 `json:"utilization,omitempty"`
	Temperature *float64 `json:"temperature,omitempty"`

	// Processes are some of those that use it, of whichever program.
	Processes []DeviceProcess `json:"processes,omitempty"`
}

// DeviceProcess is a process that uses a device, and how many bytes it has of its
// memory.
type DeviceProcess struct {
	PID    int    `json:"pid"`
	Memory uint64 `json:"memory,omitempty"`
}

// LatencyBuckets is the length of [Heartbeat.Latency].
const LatencyBuckets = 64

// LatencyBound is the upper bound of bucket i: 100µs · 1.25^i, to about 100s.
// The last bucket has none.
func LatencyBound(i int) time.Duration {
	bound := float64(100 * time.Microsecond)
	for range i {
		bound *= 1.25
	}
	return time.Duration(bound)
}
