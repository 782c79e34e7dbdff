package onnxruntime

import (
	"fmt"
	"runtime"
)

// Release is one version of the library, and what the archive of it is called and
// holds.
type Release struct {
	// Version is that of ONNX Runtime, and of the npm package.
	Version string

	// Package is the name of the npm package.
	Package string

	// Integrity is the digest of the archive as npm writes it: sha512- and base64.
	Integrity string

	// Size of the archive in bytes, as far as it is known: for telling how long it
	// takes.
	Size int64

	// Libraries are the paths of the library within the archive, by platform, which
	// is GOOS/GOARCH.
	Libraries map[string]string
}

// Pinned is the release that the binding is made for: its headers are of C API
// version 24, which is that of 1.24.
func Pinned() Release {
	return Release{
		Version:   "1.24.3",
		Package:   "onnxruntime-node",
		Integrity: "sha512-JH7+czbc8ALA819vlTgcV+Q214/+VjGeBHDjX81+ZCD0PCVCIFGFNtT0V4sXG/1JXypKPgScQcB3ij/hk3YnTg==",
		Size:      85987774,
		Libraries: map[string]string{
			"linux/amd64":  "package/bin/napi-v6/linux/x64/libonnxruntime.so.1",
			"linux/arm64":  "package/bin/napi-v6/linux/arm64/libonnxruntime.so.1",
			"darwin/arm64": "package/bin/napi-v6/darwin/arm64/libonnxruntime.1.24.3.dylib",
		},
	}
}

// Platform is the one that this binary was built for.
func Platform() string { return runtime.GOOS + "/" + runtime.GOARCH }

// fileName is what the library is called where it is installed.
func fileName(platform string) string {
	if platform == "darwin/arm64" || platform == "darwin/amd64" {
		return "libonnxruntime.dylib"
	}
	return "libonnxruntime.so.1"
}

// entry is the library's path within the archive.
func (r Release) entry(platform string) (string, error) {
	entry, ok := r.Libraries[platform]
	if !ok {
		return "", fmt.Errorf("%s %s has no library for %s: build or download one and name it in %s",
			r.Package, r.Version, platform, Variable)
	}
	return entry, nil
}
