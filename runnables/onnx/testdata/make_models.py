"""Makes the models of the tests, and golden.json with what another runtime of ONNX answers.

    python3 -m venv /tmp/models && /tmp/models/bin/pip install onnx==1.23.2 numpy==2.4.6
    /tmp/models/bin/python make_models.py
"""

import json
import pathlib

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save
from onnx.reference import ReferenceEvaluator

HERE = pathlib.Path(__file__).parent
F32, F16, BF16, I64, BOOL, STRING = (
    TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING,
)
TYPES = {
    "BOOL": BOOL, "UINT8": TensorProto.UINT8, "UINT16": TensorProto.UINT16, "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64, "INT8": TensorProto.INT8, "INT16": TensorProto.INT16, "INT32": TensorProto.INT32,
    "INT64": I64, "FP16": F16, "BF16": BF16, "FP32": F32, "FP64": TensorProto.DOUBLE, "BYTES": STRING,
}


def value(name, dtype, shape):
    return helper.make_tensor_value_info(name, dtype, shape)


def model(name, nodes, inputs, outputs, initializers=(), ml=False, opset=17):
    graph = helper.make_graph(list(nodes), name, inputs, outputs, list(initializers))
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid("ai.onnx.ml", 3)] if ml else [])
    m = helper.make_model(graph, opset_imports=opsets, ir_version=9, producer_name="ekiben")
    checker.check_model(m)
    save(m, HERE / f"{name}.onnx")
    return m


def identities(name, types, shape, opset=17):
    return model(
        name,
        [helper.make_node("Identity", [f"in_{n}"], [f"out_{n}"]) for n in types],
        [value(f"in_{n}", t, shape) for n, t in types.items()],
        [value(f"out_{n}", t, shape) for n, t in types.items()],
        opset=opset,
    )


def arithmetic():
    """Two inputs, three outputs, rows along a named dimension."""
    zero = numpy_helper.from_array(np.array(0, np.float32), "zero")
    m = model(
        "arithmetic",
        [
            helper.make_node("Cast", ["b"], ["b32"], to=F32),
            helper.make_node("Add", ["a", "b32"], ["sum"]),
            helper.make_node("Greater", ["a", "zero"], ["positive"]),
            helper.make_node("Cast", ["sum"], ["whole"], to=TensorProto.INT32),
        ],
        [value("a", F32, ["batch", 3]), value("b", I64, ["batch", 1])],
        [value("sum", F32, ["batch", 3]), value("positive", BOOL, ["batch", 3]), value("whole", TensorProto.INT32, ["batch", 3])],
        [zero],
    )
    rng = np.random.default_rng(0)
    a = (rng.standard_normal((7, 3)) * 100).astype(np.float32)
    b = rng.integers(-50, 50, (7, 1))
    outputs = ReferenceEvaluator(m).run(None, {"a": a, "b": b})
    golden = {"rows": 7, "a": a.ravel().tolist(), "b": b.ravel().tolist()}
    golden |= {o.name: v.ravel().tolist() for o, v in zip(m.graph.output, outputs)}
    (HERE / "golden.json").write_text(json.dumps(golden) + "\n")


def scalars():
    """Values of rank 0, in and out; nothing counts rows."""
    model(
        "scalars",
        [
            helper.make_node("Mul", ["x", "scale"], ["scaled"]),
            helper.make_node("ReduceSum", ["scaled"], ["total"], keepdims=0),
            helper.make_node("Cast", ["total"], ["half"], to=F16),
        ],
        [value("x", F32, ["n"]), value("scale", F32, [])],
        [value("scaled", F32, ["n"]), value("total", F32, []), value("half", F16, [])],
    )


def found(name, rows):
    """As many rows out as something is found, which is not as many as came in."""
    model(
        name,
        [helper.make_node("NonZero", ["x"], ["at"]), helper.make_node("Transpose", ["at"], ["places"])],
        [value("x", F32, ["batch", 2])],
        [value("places", I64, [rows, 2])],
    )


def zipmap():
    model(
        "zipmap",
        [helper.make_node("ZipMap", ["x"], ["probabilities"], domain="ai.onnx.ml", classlabels_int64s=[0, 1])],
        [value("x", F32, [None, 2])],
        [helper.make_value_info("probabilities", helper.make_sequence_type_proto(
            helper.make_map_type_proto(I64, helper.make_tensor_type_proto(F32, None))))],
        ml=True,
    )


def slow():
    """Counts to n, one by one: as slow as one likes."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["on"], ["still"]),
            helper.make_node("Add", ["count", "one"], ["next"]),
        ],
        "body",
        [value("i", I64, []), value("on", BOOL, []), value("count", I64, [1])],
        [value("still", BOOL, []), value("next", I64, [1])],
        [numpy_helper.from_array(np.array([1], np.int64), "one")],
    )
    model(
        "slow",
        [helper.make_node("Loop", ["n", "", "none"], ["counted"], body=body)],
        [value("n", I64, [1])],
        [value("counted", I64, [1])],
        [numpy_helper.from_array(np.array([0], np.int64), "none")],
    )


def table():
    """Takes a row out of a table, and fails where there is no such row."""
    model(
        "table",
        [helper.make_node("Gather", ["rows", "index"], ["row"], axis=0)],
        [value("index", I64, ["batch"])],
        [value("row", F32, ["batch", 2])],
        [numpy_helper.from_array(np.arange(8, dtype=np.float32).reshape(4, 2), "rows")],
    )


def external():
    """Has its one weight in a file beside it, and an output of FP16 of any size."""
    bias = numpy_helper.from_array(np.array([0.5], np.float16), "bias")
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "bias"], ["y"])], "external",
        [value("x", F16, ["batch", "length"])], [value("y", F16, ["batch", "length"])], [bias],
    )
    m = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9, producer_name="ekiben")
    (HERE / "external.weights").unlink(missing_ok=True)
    save(m, HERE / "external.onnx", save_as_external_data=True, location="external.weights", size_threshold=0)


def passed():
    """Outputs that are inputs, of every way to take an output out; one is computed beside them, one is constant."""
    x, half, text = value("x", F32, ["batch", 2]), value("half", F16, ["batch", "length"]), value("text", STRING, ["batch"])
    model(
        "passed", [helper.make_node("Neg", ["x"], ["negative"])],
        [x, half, text], [value("negative", F32, ["batch", 2]), text, half, x],
    )
    model(
        "passedscalar", [helper.make_node("Constant", [], ["constant"], value=numpy_helper.from_array(np.array([5, 6], np.float32)))],
        [value("x", I64, [])], [value("x", I64, []), value("constant", F32, [2])],
    )


def constant():
    """Has no inputs."""
    model("constant", [helper.make_node("Constant", [], ["y"], value_floats=[1.0, 2.0])], [], [value("y", F32, [2])])


def widths():
    """Two inputs whose inner dimensions have one name."""
    model("widths", [helper.make_node("Add", ["a", "b"], ["sum"])],
          [value("a", F32, ["batch", "width"]), value("b", F32, ["batch", "width"])], [value("sum", F32, ["batch", "width"])])


def main():
    identities("types", TYPES, [None, 2])
    identities("lengths", {n: TYPES[n] for n in ("FP16", "BF16", "FP32", "BYTES")}, ["batch", "length"])
    identities("single", {"FP32": F32}, [1, 3])
    identities("float8", {"FP8": TensorProto.FLOAT8E4M3FN}, [None, 3], opset=19)
    arithmetic()
    scalars()
    found("found", "found")
    found("unnamed", None)
    zipmap()
    slow()
    table()
    external()
    passed()
    constant()
    widths()


if __name__ == "__main__":
    main()
