package onnx

import "google.golang.org/protobuf/encoding/protowire"

// More numbers of fields of onnx.proto3.
const (
	graphNode       = 1
	nodeInput       = 1 // NodeProto
	nodeOutput      = 2
	nodeOpType      = 4
	nodeAttribute   = 5
	attributeName   = 1 // AttributeProto
	attributeInt    = 3
	attributeType   = 20
	attributeIsInt  = 2 // AttributeProto.INT
	tensorElement   = 1 // TypeProto.Tensor
	elementIsFloat  = 1 // TensorProto.FLOAT
	castToAttribute = "to"
)

// widened is the name of the output that [widen] adds for another one.
func widened(output string) string { return output + "__as_float32" }

// widen adds to a model, for each of the given outputs, one that is the same as
// FP32: the binding cannot read outputs of FP16 and BF16 whose size only a run
// tells, and nothing is lost on the way there and back. It does so by appending to
// the file, because messages that are written one after the other are one message
// with the repeated fields of both ("Last One Wins" in the encoding of protocol
// buffers).
func widen(model []byte, outputs []string) []byte {
	var graph []byte
	for _, name := range outputs {
		graph = appendMessage(graph, graphNode, castToFloat(name))
		graph = appendMessage(graph, graphOutput, floatValue(widened(name)))
	}
	return appendMessage(model, modelGraph, graph)
}

func castToFloat(name string) []byte {
	var to []byte
	to = appendMessage(to, attributeName, []byte(castToAttribute))
	to = appendInt(to, attributeInt, elementIsFloat)
	to = appendInt(to, attributeType, attributeIsInt)

	var node []byte
	node = appendMessage(node, nodeInput, []byte(name))
	node = appendMessage(node, nodeOutput, []byte(widened(name)))
	node = appendMessage(node, nodeOpType, []byte("Cast"))
	return appendMessage(node, nodeAttribute, to)
}

func floatValue(name string) []byte {
	tensorType := appendInt(nil, tensorElement, elementIsFloat)
	value := appendMessage(nil, valueName, []byte(name))
	return appendMessage(value, valueType, appendMessage(nil, typeTensor, tensorType))
}

func appendMessage(to []byte, field protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(to, field, protowire.BytesType), value)
}

func appendInt(to []byte, field protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(to, field, protowire.VarintType), value)
}
