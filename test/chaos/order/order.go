// Package order is what the chaos suite and its probe say to each other: the
// orders that are the rows of calls, and the lines of the probe's log.
package order

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"
)

// Do is what a row shall do once its time is over.
type Do string

// What rows do.
const (
	// Answer answers [Order.Answer].
	Answer Do = "answer"
	// Fail fails the row.
	Fail Do = "fail"
	// Stale answers [Order.Answer], but fails if it took [StaleAfter] longer than
	// it should: its process stood still, and others may have taken over.
	Stale Do = "stale"
	// Again fails [Order.Fails] executions in a way that trying again may help, and
	// then answers [Order.Answer].
	Again Do = "again"
	// Poison kills the process that executes it.
	Poison Do = "poison"
)

// StaleAfter is how much longer than asked for a row may take, see [Stale].
const StaleAfter = 500 * time.Millisecond

// Order is one row.
type Order struct {
	// Call is the number of the call within its history.
	Call int

	Do Do

	// Sleep is how long it takes, in whole microseconds. A batch takes as long as
	// its longest row.
	Sleep time.Duration

	// Value is what the answer depends on.
	Value uint64

	// Fails is how many executions of [Again] fail; 0 for all others.
	Fails int

	// Padding is how many bytes of no meaning follow, which make an input large.
	Padding int
}

// ErrMalformed means that something is not an order, or not a line.
var ErrMalformed = errors.New("malformed")

// String is the row: "<call> <do> <sleep in µs> <value>", with the padding behind it as
// dots. Again is "again:<fails>".
func (o Order) String() string {
	do := string(o.Do)
	if o.Do == Again {
		do += ":" + strconv.Itoa(o.Fails)
	}
	return fmt.Sprintf("%d %s %d %d%s", o.Call, do, o.Sleep.Microseconds(), o.Value, strings.Repeat(".", o.Padding))
}

// Answer is what a row is to be answered with. It depends on all that the row
// says, so that no two rows have the same.
func (o Order) Answer() string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(o.String())) // never fails
	return fmt.Sprintf("%d %016x", o.Call, h.Sum64())
}

// Parse reads what [Order.String] wrote.
func Parse(row string) (Order, error) {
	sense := strings.TrimRight(row, ".")
	fields := strings.Split(sense, " ")
	if len(fields) != 4 {
		return Order{}, fmt.Errorf("%w: order %q", ErrMalformed, row)
	}
	call, err1 := strconv.Atoi(fields[0])
	micros, err2 := strconv.ParseInt(fields[2], 10, 32)
	value, err3 := strconv.ParseUint(fields[3], 10, 64)
	do, fails, counted := strings.Cut(fields[1], ":")
	o := Order{Call: call, Do: Do(do), Sleep: time.Duration(micros) * time.Microsecond, Value: value, Padding: len(row) - len(sense)}
	var err4 error
	if counted {
		o.Fails, err4 = strconv.Atoi(fails)
	}
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return Order{}, fmt.Errorf("%w: order %q: %w", ErrMalformed, row, err)
	}
	if known := o.Do == Answer || o.Do == Fail || o.Do == Stale || o.Do == Poison; known != counted && (known || o.Do == Again) {
		return o, nil
	}
	return Order{}, fmt.Errorf("%w: order %q", ErrMalformed, row)
}
