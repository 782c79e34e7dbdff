package webhook

import "time"

// Dial reports what a connection to an address is refused with.
func (p *Policy) Dial(network, address string) error { return p.control(network, address, nil) }

// RetryAfter reads the header of that name.
func RetryAfter(value string, now time.Time) time.Duration { return retryAfter(value, now) }
