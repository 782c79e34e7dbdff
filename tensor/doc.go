// Package tensor holds typed n-dimensional values: what calls carry and what
// runnables compute on.
//
// A [Tensor] has one of the data types of the Open Inference Protocol, a shape,
// and its elements in row-major order as raw little-endian bytes. That raw form
// is also what travels, so that decoding a call copies nothing and
// concatenating along dimension 0 is copying bytes.
//
// Every constructor and decoder checks its input completely, with overflow-safe
// arithmetic, before it allocates anything: a Tensor that exists is valid. What
// a decoder allocates is bounded by the size of its input, not by what the input
// claims.
//
// A tensor is made from and read as
//
//   - Go values: [Of] and [Values], [OfItems] and [Tensor.Items], [FromFloat32s] and [Tensor.Float32s];
//   - the raw form: [New] and [Tensor.Data];
//   - the binary form of envelopes: [DecodeBinary] and [Tensor.AppendBinary], [DecodeNamed] and [AppendNamed];
//   - JSON: [ParseJSON] and [AppendJSON];
//   - .npy files: [ReadNPY] and [AppendNPY].
//
// Tensors share memory freely, with each other and with what they were decoded
// from. That is safe because nobody changes the bytes of a tensor.
package tensor
