package tensor_test

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/ekiben/ekiben/tensor"
)

func TestAnIntegerMayBeWrittenWithFractionAndExponent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		literal := rapid.StringMatching(`(0|[1-9][0-9]{0,3}0{0,17})(\.[0-9]{0,2}0{1,4})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "literal")
		exact, ok := new(big.Rat).SetString(literal)
		if !ok {
			t.Fatalf("%q is no number", literal)
		}
		got, err := tensor.ParseJSON(tensor.Uint64, nil, []byte(literal), 0)
		if fits := exact.IsInt() && exact.Num().IsUint64(); (err == nil) != fits {
			t.Fatalf("%s: %v, fits: %v", literal, err, fits)
		}
		if err != nil {
			return
		}
		values, err := tensor.Values[uint64](got)
		if err != nil || values[0] != exact.Num().Uint64() {
			t.Fatalf("%s is %d, want %s: %v", literal, values[0], exact.Num(), err)
		}
	})
}
