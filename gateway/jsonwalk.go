package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// maxDepth is how deep JSON of clients may be nested.
const maxDepth = 32

// walk goes through JSON that is not trusted yet. It finds where values end, and
// refuses what encoding/json lets pass: nesting beyond [maxDepth] and names that
// are twice in one object. It does not check the rest of the grammar: what it
// found must still be parsed.
type walk struct {
	raw []byte
	pos int
}

// level is an object or array that is open.
type level struct {
	closes byte
	// named is whether the next string of an object is a name.
	named bool
	names map[string]struct{}
}

// checkJSON walks through one value and wants nothing after it.
func checkJSON(raw []byte) error {
	w := walk{raw: raw}
	if err := w.begin(); err != nil {
		return err
	}
	if err := w.value(); err != nil {
		return err
	}
	if w.next() != 0 || w.pos < len(raw) {
		return w.fail("something follows the value")
	}
	return nil
}

// begin moves to the value. It refuses what has none, and a byte order mark,
// which RFC 8259 section 8.1 forbids and some editors write.
func (w *walk) begin() error {
	if bytes.HasPrefix(w.raw, []byte("\ufeff")) {
		return &Problem{Code: CodeInvalidInput, Detail: "the body begins with a byte order mark; send it without"}
	}
	if w.next(); w.pos == len(w.raw) {
		return &Problem{Code: CodeInvalidInput, Detail: "the body is empty"}
	}
	return nil
}

// next skips white space and returns the byte there, 0 at the end.
func (w *walk) next() byte {
	for ; w.pos < len(w.raw); w.pos++ {
		switch c := w.raw[w.pos]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// value moves behind one value.
func (w *walk) value() error {
	var stack [maxDepth]level
	depth := 0
	for {
		switch c := w.next(); c {
		case 0:
			return w.fail("it ends within a value")
		case '{', '[':
			if depth == maxDepth {
				return w.fail("it is nested deeper than %d", maxDepth)
			}
			stack[depth] = level{closes: c + 2, named: c == '{'} // in ASCII } is { + 2, and ] is [ + 2
			depth++
			w.pos++
			continue
		case '}', ']':
			if depth == 0 || stack[depth-1].closes != c {
				return w.fail("unexpected %c", c)
			}
			depth--
			w.pos++
		case ',', ':':
			if depth == 0 {
				return w.fail("unexpected %c", c)
			}
			stack[depth-1].named = c == ',' && stack[depth-1].closes == '}'
			w.pos++
			continue
		default:
			if err := w.scalar(&stack, depth); err != nil {
				return err
			}
		}
		if depth == 0 {
			return nil
		}
	}
}

// scalar moves behind a string, number or word, and remembers it where it is a
// name.
func (w *walk) scalar(stack *[maxDepth]level, depth int) error {
	if w.raw[w.pos] != '"' {
		w.word()
		return nil
	}
	if depth == 0 || !stack[depth-1].named {
		_, err := w.quoted()
		return err
	}
	name, err := w.name()
	if err != nil {
		return err
	}
	top := &stack[depth-1]
	if _, twice := top.names[name]; twice {
		return w.fail("name %s is there twice", quote(name))
	}
	if top.names == nil {
		top.names = map[string]struct{}{}
	}
	top.names[name] = struct{}{}
	return nil
}

// word moves behind a number, or true, false and null.
func (w *walk) word() {
	for ; w.pos < len(w.raw); w.pos++ {
		switch w.raw[w.pos] {
		case ' ', '\t', '\r', '\n', ',', ':', '{', '}', '[', ']', '"':
			return
		}
	}
}

// quoted moves behind a string and returns it with quotes and escapes.
func (w *walk) quoted() ([]byte, error) {
	start := w.pos
	for w.pos++; w.pos < len(w.raw); w.pos++ {
		switch w.raw[w.pos] {
		case '\\':
			w.pos++
		case '"':
			w.pos++
			return w.raw[start:w.pos], nil
		}
	}
	w.pos = len(w.raw)
	return nil, w.fail("it ends within a string")
}

// name moves behind a string and returns what it says.
func (w *walk) name() (string, error) {
	literal, err := w.quoted()
	if err != nil {
		return "", err
	}
	if plain := literal[1 : len(literal)-1]; isPlain(plain) {
		return string(plain), nil
	}
	var name string
	if err := json.Unmarshal(literal, &name); err != nil {
		return "", w.fail("%v", err)
	}
	return name, nil
}

// isPlain reports whether a string is printable ASCII without escapes.
func isPlain(s []byte) bool {
	for _, c := range s {
		if c < ' ' || c > '~' || c == '\\' {
			return false
		}
	}
	return true
}

// fail says what is wrong and where.
func (w *walk) fail(format string, args ...any) error {
	return &Problem{
		Code:   CodeInvalidInput,
		Detail: fmt.Sprintf("the JSON cannot be read: %s, at byte %d", fmt.Sprintf(format, args...), w.pos),
	}
}
