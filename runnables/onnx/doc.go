// Package onnx is the kind of runnables that are ONNX files, run by ONNX Runtime
// within the worker's own process.
//
// An instance is a session of one file with one method. Its arguments and results
// are the inputs and outputs of the graph; it is batchable where the first
// dimension of all of them is open. Instances compute with as many threads as
// their place has, and on its NVIDIA GPU if it has one.
//
// The shared library is loaded when the first instance is made, and stays for the
// life of the process. A binary that was built without cgo has the kind too, which
// refuses to make instances.
package onnx
