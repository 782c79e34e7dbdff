// Package onnxruntime finds the shared library of ONNX Runtime, and installs it.
// Loading it is the business of package runnables/onnx.
//
// The library comes out of the npm package onnxruntime-node, which ships it for
// several platforms. Its version is that of the C headers of the Go binding, and
// the archive is checked against a digest that is pinned here before anything of
// it is unpacked.
package onnxruntime
