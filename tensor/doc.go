// Package tensor holds typed n-dimensional values: what calls carry and what
// runnables compute on.
//
// A [Tensor] has one of the data types of the Open Inference Protocol, a shape,
// and its elements in row-major order as raw little-endian bytes. That raw form
// is also what travels, so that decoding a call copies nothing and
// concatenating along dimension 0 is copying bytes.
//
// Every constructor and decoder checks its input completely, with overflow-safe
// arithmetic, before it allocates anything: a Tensor that exists is valid.
package tensor
