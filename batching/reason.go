package batching

import "fmt"

// Reason says why a batch went when it did.
type Reason uint8

const (
	// Full means that it had reached the limit of rows, or the next call did not fit.
	Full Reason = iota

	// Wait means that its oldest call had waited for company as long as it may.
	Wait

	// Idle means that an instance was free and waiting longer was not expected to pay.
	Idle

	// Deadline means that the nearest deadline left no time for waiting longer.
	Deadline

	// Shape means that calls whose rows would have fitted were left behind, because something else closed it: a call
	// that has to go alone, or the bytes of a batch.
	Shape

	// Drain means that it went because its worker stops. No Former answers it; whoever drains says so.
	Drain
)

// String is the reason in lower case, as it stands in metrics.
func (r Reason) String() string {
	switch r {
	case Full:
		return "full"
	case Wait:
		return "wait"
	case Idle:
		return "idle"
	case Deadline:
		return "deadline"
	case Shape:
		return "shape"
	case Drain:
		return "drain"
	default:
		return fmt.Sprintf("reason(%d)", uint8(r))
	}
}
