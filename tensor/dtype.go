package tensor

import "fmt"

// DType is the type of a tensor's elements. The names and sizes are those of
// the Open Inference Protocol ("Tensor Data Types"); BF16 is Triton's addition.
// The numbers are part of the wire format and never change.
type DType uint8

// The data types.
const (
	Bool   DType = 1
	Uint8  DType = 2
	Uint16 DType = 3
	Uint32 DType = 4
	Uint64 DType = 5
	Int8   DType = 6
	Int16  DType = 7
	Int32  DType = 8
	Int64  DType = 9
	FP16   DType = 10
	BF16   DType = 11
	FP32   DType = 12
	FP64   DType = 13
	// Bytes elements are byte strings of any length: text, JSON, files.
	Bytes DType = 14

	// Any is no type of a tensor but stands for all of them, in the description of
	// a value whose type is whatever it comes with. It is never on the wire.
	Any DType = 255
)

// anyName is the name of [Any].
const anyName = "ANY"

// dtypeNames is indexed by DType; entry 0 is no type.
func dtypeNames() [Bytes + 1]string {
	return [...]string{
		Bool: "BOOL", Uint8: "UINT8", Uint16: "UINT16", Uint32: "UINT32", Uint64: "UINT64",
		Int8: "INT8", Int16: "INT16", Int32: "INT32", Int64: "INT64",
		FP16: "FP16", BF16: "BF16", FP32: "FP32", FP64: "FP64", Bytes: "BYTES",
	}
}

// ParseDType returns the type with the given protocol name, such as "FP32". It
// does not know [Any], which no tensor has.
func ParseDType(name string) (DType, error) {
	for i, known := range dtypeNames() {
		if known == name && name != "" {
			return DType(i), nil
		}
	}
	return 0, fmt.Errorf("%w: unknown data type %q", ErrInvalid, name)
}

// Valid reports whether d is one of the data types that tensors have: not [Any].
func (d DType) Valid() bool { return 0 < d && d <= Bytes }

// Size is the number of bytes of one element, or 0 for [Bytes].
func (d DType) Size() int {
	switch d {
	case Bool, Uint8, Int8:
		return 1
	case Uint16, Int16, FP16, BF16:
		return 2
	case Uint32, Int32, FP32:
		return 4
	case Uint64, Int64, FP64:
		return 8
	default:
		return 0
	}
}

// String is the protocol's name of the type.
func (d DType) String() string {
	switch {
	case d == Any:
		return anyName
	case !d.Valid():
		return fmt.Sprintf("DType(%d)", uint8(d))
	}
	return dtypeNames()[d]
}

// MarshalText writes the protocol's name, or that of [Any].
func (d DType) MarshalText() ([]byte, error) {
	if !d.Valid() && d != Any {
		return nil, fmt.Errorf("%w: data type %d", ErrInvalid, uint8(d))
	}
	return []byte(d.String()), nil
}

// UnmarshalText reads the protocol's name, or that of [Any].
func (d *DType) UnmarshalText(text []byte) error {
	if string(text) == anyName {
		*d = Any
		return nil
	}
	parsed, err := ParseDType(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}
