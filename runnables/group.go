package runnables

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"

	"github.com/ekiben/ekiben/tensor"
)

// maxGroupLen is the longest group in bytes; a longer one is hashed.
const maxGroupLen = 96

// Group says which calls can be run together: those with equal groups, which
// have the same method, data types and dimensions other than the batch
// dimension, and leave out the same arguments. It is empty for methods that are
// not batchable. inputs are in the order of the signature, as [CheckInputs]
// returns them.
//
// The string is the same in every process and version of this code, since it is
// stored in Redis.
func Group(sig Signature, inputs []tensor.Tensor) string {
	if !sig.Batchable {
		return ""
	}
	b := []byte(sig.Name)
	for _, t := range inputs {
		b = append(b, ' ')
		if !t.DType().Valid() { // left out
			b = append(b, '-')
			continue
		}
		b = append(b, strings.ToLower(t.DType().String())...)
		for i, d := range t.Shape() {
			b = append(b, ',')
			if i == sig.BatchDim.In {
				b = append(b, '*')
			} else {
				b = strconv.AppendInt(b, int64(d), 10)
			}
		}
	}
	if len(b) > maxGroupLen {
		hashed := fmt.Sprintf("%s %x", sig.Name, sha256.Sum256(b))
		return hashed[:min(len(hashed), maxGroupLen)]
	}
	return string(b)
}
