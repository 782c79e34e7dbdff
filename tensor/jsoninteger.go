package tensor

import (
	"bytes"
	"math"
	"strconv"
)

// maxDigits is more digits than the largest integer of 64 bits has.
const maxDigits = 21

// integral writes a number with fraction or exponent and without sign as an
// integer: 12.50e2 is 1250. ok is false if it is none. One beyond all types has
// [maxDigits] digits, however large its exponent.
func integral(literal []byte) (integer []byte, ok bool) {
	mantissa, exponent := literal, 0
	if i := bytes.IndexAny(literal, "eE"); i >= 0 {
		mantissa, exponent = literal[:i], exponentOf(literal[i+1:])
	}
	whole, fraction, _ := bytes.Cut(mantissa, []byte{'.'})
	all := append(append(make([]byte, 0, len(mantissa)+maxDigits), whole...), fraction...)
	significant := bytes.TrimRight(all, "0")
	zeros := exponent - len(fraction) + len(all) - len(significant)
	significant = bytes.TrimLeft(significant, "0")
	switch {
	case len(significant) == 0:
		return []byte{'0'}, true
	case zeros < 0:
		return nil, false
	}
	for range min(zeros, max(maxDigits-len(significant), 0)) {
		significant = append(significant, '0')
	}
	return significant, true
}

// exponentOf reads an exponent with its sign. One that is far beyond use is far
// beyond use, not an overflow.
func exponentOf(digits []byte) int {
	n, err := strconv.ParseInt(string(digits), 10, 32)
	if err != nil && digits[0] == '-' {
		return math.MinInt32
	}
	if err != nil {
		return math.MaxInt32
	}
	return int(n)
}
