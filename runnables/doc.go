// Package runnables says what a model must offer to be served, and how a
// deployment of it, a runner, is described. Kinds of runnables live in its
// subpackages.
//
// Nothing here knows about Redis or HTTP. A runnable computes on tensors;
// [Batch], [Single] and their siblings make methods of ordinary Go functions,
// and [New] makes a [Runnable] of methods. Package runnablestest checks that one
// keeps its promises.
//
// What comes in and what goes out is checked in one place each, [CheckInputs]
// and [CheckOutputs], against the [Signature] that a method publishes.
package runnables
