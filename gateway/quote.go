package gateway

import (
	"strconv"
	"strings"
)

// maxQuoted is how much of what a client sent is repeated to it, in bytes.
const maxQuoted = 100

// quote repeats something that a client sent, in quotes, escaped and cut.
func quote(s string) string {
	if len(s) > maxQuoted {
		return strconv.Quote(s[:maxQuoted]) + "…"
	}
	return strconv.Quote(s)
}

// list writes words as a, b and c.
func list(words []string) string {
	switch len(words) {
	case 0:
		return "none"
	case 1:
		return words[0]
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
