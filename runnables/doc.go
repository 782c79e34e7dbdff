// Package runnables says what a model must offer to be served, and how a
// deployment of it, a runner, is described. Kinds of runnables live in its
// subpackages.
//
// Nothing here knows about Redis or HTTP. A runnable computes on tensors; the
// adapters of this package make methods of ordinary Go functions.
package runnables
