package tensor

import (
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// The tokens of JSON (RFC 8259), as parser needs them.

// space skips insignificant space.
func (p *parser) space() {
	for p.pos < len(p.raw) {
		switch p.raw[p.pos] {
		case ' ', '\t', '\r', '\n':
			p.pos++
		default:
			return
		}
	}
}

// peek is the next byte, or 0 at the end.
func (p *parser) peek() byte {
	if p.pos == len(p.raw) {
		return 0
	}
	return p.raw[p.pos]
}

// accept steps over the next byte if it is c.
func (p *parser) accept(c byte) bool {
	if p.pos < len(p.raw) && p.raw[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

// next names what comes next, for errors.
func (p *parser) next() string {
	switch c := p.peek(); {
	case p.pos == len(p.raw):
		return "the end"
	case c == '"':
		return "a string"
	case c == '[':
		return "an array"
	case c == '{':
		return "an object"
	case c == '-' || isDigit(c):
		return "a number"
	case c == 'n' || c == 't' || c == 'f':
		end := p.pos
		for end < len(p.raw) && 'a' <= p.raw[end] && p.raw[end] <= 'z' {
			end++
		}
		return clip(p.raw[p.pos:end])
	default:
		return fmt.Sprintf("%q", c)
	}
}

// number reads a number and tells whether it has neither fraction nor exponent.
// It is nil where there is none.
func (p *parser) number() (literal []byte, whole bool) {
	raw, end := p.raw, p.pos
	if end < len(raw) && raw[end] == '-' {
		end++
	}
	integer := digits(raw, end)
	if integer == end || raw[end] == '0' && integer > end+1 {
		return nil, false
	}
	end, whole = integer, true
	if end < len(raw) && raw[end] == '.' {
		whole = false
		fraction := digits(raw, end+1)
		if fraction == end+1 {
			return nil, false
		}
		end = fraction
	}
	if end < len(raw) && raw[end]|0x20 == 'e' {
		whole = false
		end++
		if end < len(raw) && (raw[end] == '+' || raw[end] == '-') {
			end++
		}
		exponent := digits(raw, end)
		if exponent == end {
			return nil, false
		}
		end = exponent
	}
	literal = raw[p.pos:end]
	p.pos = end
	return literal, whole
}

// digits is where the digits from start on end.
func digits(raw []byte, start int) int {
	for start < len(raw) && isDigit(raw[start]) {
		start++
	}
	return start
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// quoted appends the text of a string to dst.
func (p *parser) quoted(dst []byte) ([]byte, error) {
	if !p.accept('"') {
		return dst, p.fail(p.rank, "want a string for %s, got %s", p.dtype, p.next())
	}
	for {
		start := p.pos
		for p.pos < len(p.raw) && p.raw[p.pos] >= ' ' && p.raw[p.pos] != '"' && p.raw[p.pos] != '\\' {
			p.pos++
		}
		run := p.raw[start:p.pos]
		if !utf8.Valid(run) {
			return dst, p.fail(p.rank, "the string is not valid UTF-8")
		}
		dst = append(dst, run...)
		switch {
		case p.accept('"'):
			return dst, nil
		case p.accept('\\'):
			r := p.escape()
			if r < 0 {
				return dst, p.fail(p.rank, "the string has an escape that JSON does not have, or half of a surrogate pair")
			}
			dst = utf8.AppendRune(dst, r)
		default:
			return dst, p.fail(p.rank, "want the end of the string, got %s", p.next())
		}
	}
}

// escape reads what follows a backslash. It is negative if that is not valid.
func (p *parser) escape() rune {
	c := p.peek()
	p.pos = min(p.pos+1, len(p.raw))
	switch c {
	case '"', '\\', '/':
		return rune(c)
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'u':
		return p.codePoint()
	}
	return -1
}

// codePoint reads the digits of \u, and a second \u if they are the first half
// of a surrogate pair.
func (p *parser) codePoint() rune {
	r := p.hex()
	if !utf16.IsSurrogate(r) {
		return r
	}
	if !p.accept('\\') || !p.accept('u') {
		return -1
	}
	if r = utf16.DecodeRune(r, p.hex()); r == utf8.RuneError {
		return -1
	}
	return r
}

// hex reads four hexadecimal digits. It is negative if there are none.
func (p *parser) hex() rune {
	if len(p.raw)-p.pos < 4 {
		return -1
	}
	v, err := strconv.ParseUint(string(p.raw[p.pos:p.pos+4]), 16, 16)
	if err != nil {
		return -1
	}
	p.pos += 4
	return rune(v)
}

// extent steps over one value of any kind. It finds where the value would end
// if it were valid, and leaves the proof of that to others.
func (p *parser) extent() []byte {
	start, depth := p.pos, 0
	for p.pos < len(p.raw) {
		switch p.raw[p.pos] {
		case '"':
			p.skipString()
			if depth == 0 {
				return p.raw[start:p.pos]
			}
			continue
		case '[', '{':
			depth++
		case ']', '}':
			depth--
			if depth == 0 {
				p.pos++
			}
			if depth <= 0 {
				return p.raw[start:p.pos]
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return p.raw[start:p.pos]
			}
		}
		p.pos++
	}
	return p.raw[start:]
}

// skipString steps over a string.
func (p *parser) skipString() {
	for p.pos++; p.pos < len(p.raw); p.pos++ {
		switch p.raw[p.pos] {
		case '\\':
			p.pos++
		case '"':
			p.pos++
			return
		}
	}
	p.pos = len(p.raw)
}

// clip is a literal as errors show it.
func clip(literal []byte) string {
	const most = 40
	if len(literal) > most {
		return string(literal[:most]) + "…"
	}
	return string(literal)
}
