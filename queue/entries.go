package queue

import (
	"fmt"
	"strconv"
	"time"
)

// Scripts answer nested lists of strings and integers; these read them.

func list(v any) ([]any, error) {
	l, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("%w: a script answered %T, want a list", ErrMalformed, v)
	}
	return l, nil
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func number(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return 0
		}
		return n
	}
	return 0
}

func micros(v any) time.Duration { return time.Duration(number(v)) * time.Microsecond }

// at is a time of Redis's clock.
func at(v any) time.Time {
	n := number(v)
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}
