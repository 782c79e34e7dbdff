package onnxruntime

import (
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"strings"
)

// digest computes what npm calls the integrity of a package.
type digest struct {
	hash.Hash
	want []byte
}

func newDigest(integrity string) (digest, error) {
	encoded, ok := strings.CutPrefix(integrity, "sha512-")
	want, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(want) != sha512.Size {
		return digest{}, fmt.Errorf("%w: %q is no digest, want sha512- and base64", ErrDigest, integrity)
	}
	return digest{sha512.New(), want}, nil
}

func (d digest) check() error {
	if got := d.Sum(nil); !bytes.Equal(got, d.want) {
		return fmt.Errorf("%w: its digest is sha512-%s, want sha512-%s; nothing was installed",
			ErrDigest, base64.StdEncoding.EncodeToString(got), base64.StdEncoding.EncodeToString(d.want))
	}
	return nil
}
