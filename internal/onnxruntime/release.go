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

	// Libraries are what the archive has, by platform, which is GOOS/GOARCH.
	Libraries map[string]Library
}

// Library is the library for one platform.
type Library struct {
	// Entry is its path within the archive.
	Entry string

	// Size in bytes, and SHA256 in hexadecimal digits, tell whether a file is it.
	Size   int64
	SHA256 string
}

// Pinned is the release that the binding is made for: its headers are of C API
// version 24, which is that of 1.24.
func Pinned() Release {
	return Release{
		Version:   "1.24.3",
		Package:   "onnxruntime-node",
		Integrity: "sha512-JH7+czbc8ALA819vlTgcV+Q214/+VjGeBHDjX81+ZCD0PCVCIFGFNtT0V4sXG/1JXypKPgScQcB3ij/hk3YnTg==",
		Size:      85987774,
		Libraries: map[string]Library{
			"linux/amd64": {
				"package/bin/napi-v6/linux/x64/libonnxruntime.so.1", 35164376,
				"92ba8e44d31b80a34f5e805076a044122c3be1fffe0d88ed790de7267b0b2682",
			},
			"linux/arm64": {
				"package/bin/napi-v6/linux/arm64/libonnxruntime.so.1", 18625376,
				"33032cb5b91c12edbf028d7c69fa40a31848d66c0095448758af237d5e0b07db",
			},
			"darwin/arm64": {
				"package/bin/napi-v6/darwin/arm64/libonnxruntime.1.24.3.dylib", 35937208,
				"76831409ce6eded92b4cb343cf422c458a60c1ea1d5f3cfa69692ab7fcc67f0f",
			},
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

// library is the one for a platform.
func (r Release) library(platform string) (Library, error) {
	library, ok := r.Libraries[platform]
	if !ok {
		return Library{}, fmt.Errorf("%s %s has no library for %s: build or download one and name it in %s",
			r.Package, r.Version, platform, Variable)
	}
	return library, nil
}
