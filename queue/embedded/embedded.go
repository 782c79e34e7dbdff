package embedded

import (
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// Embedded is a Redis in this process. It keeps everything in memory and
// forgets it when it is closed.
type Embedded struct {
	redis *miniredis.Miniredis

	// stop ends the clock, which closes stopped.
	stop, stopped chan struct{}
}

// tick is how often keys expire. Miniredis can do it with every command, but
// then walks over all keys each time.
const tick = time.Second

// Start starts a Redis on a free loopback port. Keys expire within a second of
// their time.
func Start() (*Embedded, error) {
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		return nil, fmt.Errorf("embedded: start miniredis: %w", err)
	}
	e := &Embedded{redis: m, stop: make(chan struct{}), stopped: make(chan struct{})}
	go e.clock()
	return e, nil
}

// URL is what a queue is opened with.
func (e *Embedded) URL() string { return "redis://" + e.redis.Addr() }

// Close stops the server and drops its data. It is called once.
func (e *Embedded) Close() {
	close(e.stop)
	<-e.stopped
	e.redis.Close()
}

// clock lets keys expire: miniredis has no clock of its own.
func (e *Embedded) clock() {
	defer close(e.stopped)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-e.stop:
			return
		case now := <-ticker.C:
			e.redis.FastForward(now.Sub(last))
			last = now
		}
	}
}
