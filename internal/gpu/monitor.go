package gpu

import (
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// How old a reading may be, and how long it may take. Drivers can hang.
const (
	freshFor = time.Second
	staleFor = 10 * time.Second
	patience = 500 * time.Millisecond
)

// source is what a monitor reads from.
type source interface {
	Devices() ([]Device, error)
	Close() error
}

// Monitor reads GPUs for all that want to know how they do: at most once a second,
// and nobody waits for long. It may be used by several goroutines.
type Monitor struct {
	source source
	flight singleflight.Group

	// reading is held while the source is used.
	reading sync.Mutex

	mu     sync.Mutex // guards what follows
	latest []Device
	at     time.Time
}

// NewMonitor returns a monitor that reads from r, and closes it with itself.
func NewMonitor(r source) *Monitor { return &Monitor{source: r} }

// Devices are the GPUs as they were a second ago at most. While the driver does
// not answer they are those of a few seconds ago, and then none.
func (m *Monitor) Devices() []Device {
	if devices, ok := m.known(freshFor); ok {
		return devices
	}
	done := m.flight.DoChan("", m.read)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
	devices, _ := m.known(staleFor)
	return devices
}

// known is the latest reading, if it is no older than that.
func (m *Monitor) known(age time.Duration) (devices []Device, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at.IsZero() || time.Since(m.at) >= age {
		return nil, false
	}
	return slices.Clone(m.latest), true
}

// read reads the source. Devices that fail are missing then.
func (m *Monitor) read() (any, error) {
	m.reading.Lock()
	defer m.reading.Unlock()
	devices, err := m.source.Devices()
	if err != nil && len(devices) == 0 {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.latest, m.at = devices, time.Now()
	return nil, nil
}

// Close closes the source, unless that hangs. No other method may be called any
// more.
func (m *Monitor) Close() error {
	if !m.reading.TryLock() {
		return nil
	}
	defer m.reading.Unlock()
	return m.source.Close()
}
