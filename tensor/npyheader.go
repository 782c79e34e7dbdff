package tensor

import (
	"bytes"
	"fmt"
	"strconv"
)

// npyHeader is what the dict in a .npy file says.
type npyHeader struct {
	descr   string // the element type, as numpy names it
	fortran bool   // column-major order
	shape   []int
}

// literal reads the few Python literals that a header is made of, from left to
// right. It knows no names, operators, escapes or calls.
type literal struct{ rest []byte }

// parseNPYHeader reads the dict: exactly the three keys, in any order.
func parseNPYHeader(text []byte) (npyHeader, error) {
	var h npyHeader
	l := literal{rest: text}
	seen := make(map[string]bool, 3)
	err := l.sequence('{', '}', func() error {
		key, err := l.text()
		if err != nil {
			return err
		}
		if seen[key] {
			return l.fail("key " + strconv.Quote(key) + " twice")
		}
		seen[key] = true
		if !l.accept(":") {
			return l.fail("want a colon after key " + strconv.Quote(key))
		}
		switch key {
		case "descr":
			h.descr, err = l.descr()
		case "fortran_order":
			h.fortran, err = l.boolean()
		case "shape":
			h.shape, err = l.shape()
		default:
			err = l.fail("no key " + strconv.Quote(clip([]byte(key))) + " is known")
		}
		return err
	})
	if err != nil {
		return npyHeader{}, err
	}
	if l.space(); len(l.rest) > 0 {
		return npyHeader{}, l.fail("it goes on after the dict")
	}
	if len(seen) != 3 {
		return npyHeader{}, l.fail("want the keys descr, fortran_order and shape")
	}
	return h, nil
}

// sequence reads values between brackets, separated by commas. A comma may
// follow the last.
func (l *literal) sequence(open, end byte, value func() error) error {
	if !l.accept(string(open)) {
		return l.fail("want " + strconv.QuoteRune(rune(open)))
	}
	for !l.accept(string(end)) {
		if err := value(); err != nil {
			return err
		}
		if l.accept(",") {
			continue
		}
		if !l.accept(string(end)) {
			return l.fail("want a comma or " + strconv.QuoteRune(rune(end)))
		}
		break
	}
	return nil
}

// space skips what Python ignores between tokens.
func (l *literal) space() { l.rest = bytes.TrimLeft(l.rest, " \t\r\n") }

// accept steps over a token if it is next.
func (l *literal) accept(token string) bool {
	l.space()
	rest, ok := bytes.CutPrefix(l.rest, []byte(token))
	l.rest = rest
	return ok
}

// text reads a string without escapes.
func (l *literal) text() (string, error) {
	l.space()
	if len(l.rest) == 0 || l.rest[0] != '\'' && l.rest[0] != '"' {
		return "", l.fail("want a string")
	}
	text, rest, ok := bytes.Cut(l.rest[1:], l.rest[:1])
	if !ok || bytes.ContainsAny(text, "\\\r\n") {
		return "", l.fail("want the end of a string without escapes")
	}
	l.rest = rest
	return string(text), nil
}

// descr reads the element type, which is a list where it is structured.
func (l *literal) descr() (string, error) {
	l.space()
	if bytes.HasPrefix(l.rest, []byte("[")) || bytes.HasPrefix(l.rest, []byte("(")) {
		return "", fmt.Errorf("%w: .npy of a structured type, want numbers, booleans or strings", ErrInvalid)
	}
	return l.text()
}

func (l *literal) boolean() (bool, error) {
	switch {
	case l.accept("True"):
		return true, nil
	case l.accept("False"):
		return false, nil
	}
	return false, l.fail("want True or False")
}

// shape reads a tuple of sizes. A tuple of one has a comma.
func (l *literal) shape() ([]int, error) {
	shape := []int{}
	comma := true
	err := l.sequence('(', ')', func() error {
		l.space()
		end := digits(l.rest, 0)
		size, err := strconv.Atoi(string(l.rest[:end]))
		if err != nil || end > 1 && l.rest[0] == '0' {
			return l.fail("want a size of the shape")
		}
		if len(shape) == MaxRank {
			return fmt.Errorf("%w: .npy of a rank above %d", ErrInvalid, MaxRank)
		}
		shape = append(shape, size)
		l.rest = l.rest[end:]
		l.space()
		comma = len(shape) > 1 || bytes.HasPrefix(l.rest, []byte(","))
		return nil
	})
	if err == nil && !comma {
		return nil, l.fail("want a comma in a tuple of one")
	}
	return shape, err
}

// fail makes an error about what is next.
func (l *literal) fail(what string) error {
	return fmt.Errorf("%w: .npy header: %s, got %q", ErrInvalid, what, clip(l.rest))
}

// numberType is the data type that numpy names so, or 0.
func numberType(name string) DType {
	for dtype := Bool; dtype < Bytes; dtype++ {
		if npyType(dtype) == name {
			return dtype
		}
	}
	return 0
}

// npyType is the letter and size that numpy has for numbers and booleans. There
// is none for BF16 and BYTES.
func npyType(dtype DType) string {
	var kind string
	switch dtype {
	case Bool:
		kind = "b"
	case Uint8, Uint16, Uint32, Uint64:
		kind = "u"
	case Int8, Int16, Int32, Int64:
		kind = "i"
	case FP16, FP32, FP64:
		kind = "f"
	default:
		return ""
	}
	return kind + strconv.Itoa(dtype.Size())
}

// parseDescr reads an element type: byte order, kind, size.
func parseDescr(descr string) (npyArray, error) {
	unknown := fmt.Errorf("%w: .npy of type %q, want booleans, integers, f2, f4, f8, S or U", ErrInvalid, clip([]byte(descr)))
	if len(descr) < 2 {
		return npyArray{}, unknown
	}
	var a npyArray
	switch descr[0] {
	case '<', '|':
	case '>':
		a.big = true
	case '=':
		a.big = !littleEndian()
	default:
		return npyArray{}, unknown
	}
	kind, size := descr[1], descr[2:]
	if a.dtype = numberType(descr[1:]); a.dtype.Valid() {
		a.size = a.dtype.Size()
		return a, nil
	}
	switch kind {
	case 'S', 'U':
		return a.strings(kind == 'U', size)
	case 'O':
		return npyArray{}, fmt.Errorf("%w: .npy of Python objects (pickle) is never read, save numbers or strings", ErrInvalid)
	case 'c':
		return npyArray{}, fmt.Errorf("%w: .npy of complex numbers, save real and imaginary parts", ErrInvalid)
	}
	return npyArray{}, unknown
}

// strings is an array of strings of the given number of characters.
func (a npyArray) strings(wide bool, size string) (npyArray, error) {
	const most = 1 << 30 // an element has fewer than 4 GiB
	n, err := strconv.Atoi(size)
	if err != nil || n < 1 || n >= most || size[0] == '0' || size[0] == '+' {
		return npyArray{}, fmt.Errorf("%w: .npy of strings of %q characters", ErrInvalid, clip([]byte(size)))
	}
	a.dtype, a.wide, a.size = Bytes, wide, n
	if wide {
		a.size = 4 * n
	}
	return a, nil
}
