//go:build !cgo

package onnx

import (
	"context"
	"errors"

	"github.com/ekiben/ekiben/runnables"
)

var errNoCgo = errors.New("this binary was built without cgo, which runnables of the kind onnx need: build it with CGO_ENABLED=1 and a C compiler")

func open(context.Context, Init, runnables.Setup) (runnables.Runnable, error) { return nil, errNoCgo }
