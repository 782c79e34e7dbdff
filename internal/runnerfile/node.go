package runnerfile

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// node is a value in the file that knows where it is.
type node struct {
	at   place
	form form

	// value is that of a scalar: nil, bool, int64, uint64 beyond that, float64 or
	// string.
	value any
	// text is a scalar as it is written, without quotes.
	text string
	// quoted: a scalar has quotes, or is a block of text.
	quoted bool
	// variable: text is what a variable has. Where anything else than text is
	// wanted, reread is what it means, or structure where that is a list or a map.
	variable  bool
	reread    any
	structure *node
	// unknown: it is text with a variable that there is not, which was noted.
	unknown bool

	items  []*node
	fields []field
}

type form uint8

const (
	scalar form = iota
	list
	table
)

// field is one key of a table with its value.
type field struct {
	key   string
	at    place
	value *node
}

// read is the node where text is not wanted: the list or the map that its variable
// has, or itself.
func (n *node) read() *node {
	if n.structure != nil {
		return n.structure
	}
	return n
}

// null reports whether a node is nothing, `~` or what is not there.
func (n *node) null() bool { return n.form == scalar && n.meaning() == nil }

// meaning is a scalar's value where it need not be text.
func (n *node) meaning() any {
	v := n.value
	if n.variable {
		v = n.reread
	}
	if s, ok := v.(string); ok && !n.quoted && exponential.MatchString(s) {
		if x, err := strconv.ParseFloat(s, 64); err == nil {
			return x
		}
	}
	return v
}

// exponential are the numbers that the library takes for text: those with an
// exponent and no point, which YAML 1.2 has, section 10.3.2 "Tag Resolution".
var exponential = regexp.MustCompile(`^[-+]?[0-9]+[eE][-+]?[0-9]+$`)

// field returns a key of a table.
func (n *node) field(key string) (field, bool) {
	if n != nil {
		for _, f := range n.fields {
			if f.key == key {
				return f, true
			}
		}
	}
	return field{}, false
}

// any is the value as Go has it: nil, bool, int64, uint64, float64, string,
// []any or map[string]any. A variable in quotes is text.
func (n *node) any() any {
	switch n.form {
	case list:
		all := make([]any, len(n.items))
		for i, item := range n.items {
			all[i] = item.any()
		}
		return all
	case table:
		all := make(map[string]any, len(n.fields))
		for _, f := range n.fields {
			all[f.key] = f.value.any()
		}
		return all
	default:
		switch {
		case n.quoted:
			return n.value
		case n.structure != nil:
			return n.structure.any()
		}
		return n.meaning()
	}
}

// infinite reports whether there is a number that is infinite, or none.
func (n *node) infinite() bool {
	if x, ok := n.meaning().(float64); ok && (math.IsInf(x, 0) || math.IsNaN(x)) {
		return true
	}
	return slices.ContainsFunc(n.items, (*node).infinite) ||
		slices.ContainsFunc(n.fields, func(f field) bool { return f.value.infinite() })
}

// number is a scalar's number.
func (n *node) number() (float64, bool) {
	if n.form != scalar {
		return 0, false
	}
	switch v := n.meaning().(type) {
	case int64:
		return float64(v), true
	case uint64:
		return float64(v), true
	case float64:
		return v, !math.IsNaN(v)
	}
	return 0, false
}

// String is the node as a message quotes it.
func (n *node) String() string {
	switch n.form {
	case list:
		return "a list"
	case table:
		return "a map"
	default:
		if n.null() {
			return "nothing"
		}
		return n.text
	}
}

// find is where the key at a path of keys with dots is.
func (n *node) find(path string) (place, bool) {
	key, rest, deeper := strings.Cut(path, ".")
	f, ok := n.field(key)
	if !ok || !deeper {
		return f.at, ok
	}
	return f.value.find(rest)
}
