//go:build unix

package process

import (
	"errors"
	"fmt"
	"time"
)

// tidyEvery is how often shared memory is given back that was not needed for as
// long, at most.
const tidyEvery = 30 * time.Second

// spare is how much shared memory a region may keep that it does not need.
const spare = 4 << 20

// tidyIdle is tidy for a process that may be executing a call, which is left alone
// then.
func (c *child) tidyIdle() {
	if !c.calling.TryLock() {
		return
	}
	defer c.calling.Unlock()
	c.tidy()
}

// tidy gives shared memory back from time to time: one huge batch need not be paid
// for ever. The caller holds calling, and the process is not executing a call.
func (c *child) tidy() {
	if time.Since(c.tidied) < tidyEvery {
		return
	}
	c.tidied = time.Now()
	if err := errors.Join(c.input.trim(), c.slots.trim()); err != nil {
		c.log.Warn("shared memory cannot be given back", "err", err)
	}
}

// trim trims the regions of slots that are free.
func (s *slots) trim() error {
	var errs []error
	for n, r := range s.regions {
		if s.claim(uint32(n)) {
			errs = append(errs, r.trim())
			s.free(uint32(n))
		}
	}
	return errors.Join(errs...)
}

// trim gives the memory back that was needed neither since the last time nor
// between that and the time before, if that is much. What the region has is lost,
// its length stays: whoever has mapped it reads zeros.
func (r *region) trim() error {
	keep := max(r.need, r.before)
	r.before, r.need = r.need, 0
	if r.copied {
		return nil
	}
	has, err := memoryOf(r.file)
	if err != nil {
		return fmt.Errorf("shared memory: %w", err)
	}
	if has <= 2*int64(keep)+spare {
		return nil
	}
	return punch(r.file, int64(keep))
}
