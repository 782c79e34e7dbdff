package order

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Line is one line of the probe's log: the execution of a row has begun, or has
// ended.
type Line struct {
	Ended bool
	Call  int
	// PID is the process that executes.
	PID int
	// At is the wall clock.
	At time.Time
}

// String is the line: "<begin or end> <call> <pid> <ns since 1970>", with its
// line feed.
func (l Line) String() string {
	what := "begin"
	if l.Ended {
		what = "end"
	}
	return fmt.Sprintf("%s %d %d %d\n", what, l.Call, l.PID, l.At.UnixNano())
}

// ParseLine reads what [Line.String] wrote.
func ParseLine(line string) (Line, error) {
	fields := strings.Split(strings.TrimSuffix(line, "\n"), " ")
	if len(fields) != 4 || (fields[0] != "begin" && fields[0] != "end") {
		return Line{}, fmt.Errorf("%w: line %q", ErrMalformed, line)
	}
	call, err1 := strconv.Atoi(fields[1])
	pid, err2 := strconv.Atoi(fields[2])
	ns, err3 := strconv.ParseInt(fields[3], 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return Line{}, fmt.Errorf("%w: line %q: %w", ErrMalformed, line, err)
	}
	return Line{Ended: fields[0] == "end", Call: call, PID: pid, At: time.Unix(0, ns)}, nil
}
