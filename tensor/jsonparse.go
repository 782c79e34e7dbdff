package tensor

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// parser reads the JSON form of one tensor in one pass, straight into the raw
// form. It recurses once a dimension.
type parser struct {
	raw   []byte
	pos   int
	dtype DType
	enc   Encoding
	spec  []int
	flat  bool
	rank  int          // how deep the elements are nested
	sizes [MaxRank]int // of each dimension; -1 until known
	at    [MaxRank]int // index of what is being read
	out   []byte

	text    []byte       // scratch of one opaque element
	compact bytes.Buffer // scratch of one JSON element
}

// opensFlat reports whether the value is a flat array where nesting is due.
func (p *parser) opensFlat() bool {
	if p.rank == 1 || p.rank == 0 && p.dtype == Bytes && p.enc == EncodeJSON {
		return false
	}
	p.space()
	start := p.pos
	defer func() { p.pos = start }()
	if !p.accept('[') {
		return false
	}
	p.space()
	switch p.peek() {
	case '[':
		return false
	case ']': // no elements: nested unless the first dimension says there are some
		return p.rank == 0 || p.spec[0] > 0
	}
	return true
}

// document reads all of raw.
func (p *parser) document() error {
	p.space()
	if err := p.value(0); err != nil {
		return err
	}
	p.space()
	if p.pos < len(p.raw) {
		return fmt.Errorf("%w: JSON goes on after the value, at byte %d", ErrInvalid, p.pos)
	}
	return nil
}

// value reads the array or the element at the given depth.
func (p *parser) value(depth int) error {
	if depth == p.rank {
		return p.element()
	}
	if !p.accept('[') {
		return p.fail(depth, "want an array for dimension %d of shape %s, got %s", depth, dims(p.spec), p.next())
	}
	n := 0
	p.space()
	for more := !p.accept(']'); more; n++ {
		p.at[depth] = n
		if err := p.value(depth + 1); err != nil {
			return err
		}
		p.space()
		more = p.accept(',')
		if !more && !p.accept(']') {
			return p.fail(depth+1, "want a comma or the end of the array after it, got %s", p.next())
		}
		p.space()
	}
	return p.size(depth, n)
}

// size holds the length of an array against its dimension.
func (p *parser) size(depth, n int) error {
	switch {
	case p.sizes[depth] < 0:
		p.sizes[depth] = n
	case n == p.sizes[depth]:
	case !p.flat && p.spec[depth] >= 0:
		return p.fail(depth, "has %d elements, dimension %d of shape %s has %d", n, depth, dims(p.spec), p.sizes[depth])
	default:
		return p.fail(depth, "has %d elements, the arrays before it have %d: ragged", n, p.sizes[depth])
	}
	return nil
}

// element reads one element.
func (p *parser) element() error {
	switch p.dtype {
	case Bool:
		return p.boolean()
	case FP16, BF16, FP32, FP64:
		return p.real()
	case Bytes:
		return p.item()
	default:
		return p.integer()
	}
}

func (p *parser) boolean() error {
	switch rest := p.raw[p.pos:]; {
	case bytes.HasPrefix(rest, []byte("true")):
		p.pos += len("true")
		p.out = append(p.out, 1)
	case bytes.HasPrefix(rest, []byte("false")):
		p.pos += len("false")
		p.out = append(p.out, 0)
	default:
		return p.fail(p.rank, "want true or false for BOOL, got %s", p.next())
	}
	return nil
}

// integer reads an element of the integer types. A fraction of zeros or an
// exponent is fine where the number is an integer all the same: 2.0, 1e3.
func (p *parser) integer() error {
	literal, whole := p.number()
	if literal == nil {
		return p.fail(p.rank, "want an integer for %s, got %s", p.dtype, p.next())
	}
	digits := literal
	negative := literal[0] == '-'
	if negative {
		digits = literal[1:]
	}
	if !whole {
		if digits, whole = integral(digits); !whole {
			return p.fail(p.rank, "%s is not an integer, as %s wants", clip(literal), p.dtype)
		}
	}
	magnitude, err := strconv.ParseUint(string(digits), 10, 64)
	bits := 8 * p.dtype.Size()
	most := uint64(math.MaxUint64) >> (64 - bits)
	if p.dtype >= Int8 {
		most >>= 1
		if negative {
			most++
		}
	} else if negative {
		most = 0
	}
	if err != nil || magnitude > most {
		return p.fail(p.rank, "%s is out of the range of %s", clip(literal), p.dtype)
	}
	if negative {
		magnitude = -magnitude
	}
	p.put(magnitude)
	return nil
}

// real reads an element of the float types.
func (p *parser) real() error {
	literal, _ := p.number()
	if literal == nil {
		return p.fail(p.rank, "want a number for %s, got %s", p.dtype, p.next())
	}
	bits := 64
	if p.dtype == FP32 {
		bits = 32
	}
	v, err := strconv.ParseFloat(string(literal), bits)
	switch {
	case err != nil:
	case p.dtype == FP64:
		p.put(math.Float64bits(v))
		return nil
	case p.dtype == FP32:
		p.put(uint64(math.Float32bits(float32(v))))
		return nil
	default:
		format := floatOf(p.dtype)
		narrow := format.narrow(v)
		if !math.IsInf(float64(format.widen(narrow)), 0) {
			p.put(uint64(narrow))
			return nil
		}
	}
	return p.fail(p.rank, "%s is out of the range of %s", clip(literal), p.dtype)
}

// put appends the low bytes of v, as many as an element has.
func (p *parser) put(v uint64) {
	switch p.dtype.Size() {
	case 1:
		p.out = append(p.out, byte(v))
	case 2:
		p.out = binary.LittleEndian.AppendUint16(p.out, uint16(v))
	case 4:
		p.out = binary.LittleEndian.AppendUint32(p.out, uint32(v))
	default:
		p.out = binary.LittleEndian.AppendUint64(p.out, v)
	}
}

// item reads an element of BYTES.
func (p *parser) item() error {
	start := len(p.out)
	p.out = append(p.out, 0, 0, 0, 0)
	var err error
	switch p.enc {
	case EncodeText:
		p.out, err = p.quoted(p.out)
	case EncodeJSON:
		err = p.embedded()
	default:
		err = p.encoded()
	}
	if err != nil {
		return err
	}
	size := len(p.out) - start - prefixSize
	if uint64(size) > math.MaxUint32 {
		return p.fail(p.rank, "has %d bytes, at most %d", size, uint32(math.MaxUint32))
	}
	binary.LittleEndian.PutUint32(p.out[start:], uint32(size))
	return nil
}

// encoded reads a base64 string.
func (p *parser) encoded() error {
	var err error
	if p.text, err = p.quoted(p.text[:0]); err != nil {
		return err
	}
	if bytes.ContainsAny(p.text, "\r\n") { // which the decoder would skip
		return p.fail(p.rank, "a base64 string has no line ends")
	}
	if p.out, err = base64.StdEncoding.Strict().AppendDecode(p.out, p.text); err != nil {
		return p.fail(p.rank, "want base64 with padding: %v", err)
	}
	return nil
}

// embedded reads any JSON value and keeps it without insignificant space.
func (p *parser) embedded() error {
	document := p.extent()
	p.compact.Reset()
	if err := json.Compact(&p.compact, document); err != nil {
		return p.fail(p.rank, "want JSON: %v", err)
	}
	if !utf8.Valid(document) {
		return p.fail(p.rank, "JSON is not valid UTF-8")
	}
	p.out = append(p.out, p.compact.Bytes()...)
	return nil
}

// fail makes an error about what is at the given depth.
func (p *parser) fail(depth int, format string, args ...any) error {
	where := "the value"
	if depth > 0 {
		where = ""
		for _, i := range p.at[:depth] {
			where += fmt.Sprintf("[%d]", i)
		}
	}
	return fmt.Errorf("%w: %s: %s", ErrInvalid, where, fmt.Sprintf(format, args...))
}
