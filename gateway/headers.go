package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// Headers by which a client says what it wants of a call, besides its arguments.
// Those of jobs are in later.go. Other Ekiben-* headers of requests are ignored.
const (
	headerTimeout     = "Ekiben-Timeout"
	headerStartWithin = "Ekiben-Start-Within"
	headerPriority    = "Ekiben-Priority"
)

// minAsked is the shortest time that a client may ask for.
const minAsked = time.Millisecond

// asked is what a client asks for by these headers. Times that it did not ask
// for are 0.
type asked struct {
	timeout, startWithin time.Duration
	lane                 queue.Lane
	later                later
}

// askedOf reads the headers. longest is the longest time that may be asked for.
func askedOf(h http.Header, longest time.Duration) (asked, error) {
	var a asked
	var err error
	if a.timeout, err = durationHeader(h, headerTimeout, longest); err != nil {
		return asked{}, err
	}
	if a.startWithin, err = durationHeader(h, headerStartWithin, longest); err != nil {
		return asked{}, err
	}
	value, err := oneHeader(h, headerPriority)
	if err != nil {
		return asked{}, err
	}
	if value != "" {
		if a.lane, err = laneNamed(value); err != nil {
			return asked{}, err
		}
	}
	if a.later, err = laterOf(h); err != nil {
		return asked{}, err
	}
	return a, nil
}

// set makes a call what was asked for. One that must begin later than it must
// end has to begin until then.
func (a asked) set(call *queue.Call) {
	if a.timeout > 0 {
		call.Timeout = a.timeout
	}
	call.StartWithin = min(a.startWithin, call.Timeout)
	call.Lane = a.lane
}

// oneHeader is the value of a header that may be there once; "" if it is not. An
// empty value is an error, as a header without meaning most likely is one.
func oneHeader(h http.Header, name string) (string, error) {
	values := h[name]
	switch {
	case len(values) == 0:
		return "", nil
	case len(values) > 1:
		return "", &Problem{Code: CodeInvalidInput, Detail: fmt.Sprintf("%s is there %d times, want once", name, len(values))}
	case values[0] == "":
		return "", &Problem{Code: CodeInvalidInput, Detail: name + " is empty: give it a value or leave it out"}
	}
	return values[0], nil
}

// durationHeader reads a header that holds a time; 0 if it is not there.
func durationHeader(h http.Header, name string, longest time.Duration) (time.Duration, error) {
	value, err := oneHeader(h, name)
	if value == "" {
		return 0, err
	}
	d, ok := durationOf(value)
	if !ok {
		return 0, &Problem{
			Code:   CodeInvalidInput,
			Detail: fmt.Sprintf("%s is %s, want a duration such as 1.5s, 500ms or 2m, or a number of seconds such as 1.5", name, quote(value)),
		}
	}
	if d < minAsked || d > longest {
		return 0, &Problem{
			Code:   CodeInvalidInput,
			Detail: fmt.Sprintf("%s is %s, want at least %s and at most %s", name, quote(value), minAsked, longest),
		}
	}
	return d, nil
}

// maxDuration is the longest text that is read as a duration.
const maxDuration = 64

// durationOf reads a duration as Go writes it, or a bare number of seconds.
func durationOf(s string) (time.Duration, bool) {
	if len(s) > maxDuration {
		return 0, false
	}
	if strings.Trim(s, "0123456789.") == "" {
		s += "s"
	}
	d, err := time.ParseDuration(s)
	return d, err == nil
}

// lanes are the words for them.
func lanes() []queue.Lane { return []queue.Lane{queue.High, queue.Normal, queue.Low} }

// laneNamed is the lane with this name.
func laneNamed(name string) (queue.Lane, error) {
	for _, lane := range lanes() {
		if laneName(lane) == name {
			return lane, nil
		}
	}
	return 0, &Problem{Code: CodeInvalidInput, Detail: fmt.Sprintf("%s is %s, want high, normal or low", headerPriority, quote(name))}
}

// laneName is the word for a lane.
func laneName(lane queue.Lane) string {
	switch lane {
	case queue.High:
		return "high"
	case queue.Low:
		return "low"
	default:
		return "normal"
	}
}
