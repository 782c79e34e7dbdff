"""Writes the reference files in testdata/npy with numpy itself.

    python3 -m venv /tmp/numpy && /tmp/numpy/bin/pip install numpy
    /tmp/numpy/bin/python tensor/testdata/npy.py

expected.json says for each file what a reader must find: data type, shape and
the elements in row-major order (byte strings as base64), or "refused", and
whether a writer must produce the same bytes.
"""

import base64
import json
import pathlib

import numpy as np

FOLDER = pathlib.Path(__file__).parent / "npy"
DTYPES = {
    "b1": "BOOL", "u1": "UINT8", "u2": "UINT16", "u4": "UINT32", "u8": "UINT64",
    "i1": "INT8", "i2": "INT16", "i4": "INT32", "i8": "INT64",
    "f2": "FP16", "f4": "FP32", "f8": "FP64",
}
expected = {}


def save(name, array, version=(1, 0)):
    with open(FOLDER / f"{name}.npy", "wb") as file:
        np.lib.format.write_array(file, array, version=version)


def value(element):
    if isinstance(element, str):
        element = element.encode()
    if isinstance(element, bytes):
        return base64.b64encode(element).decode()
    return element


def keep(name, array, version=(1, 0)):
    array = np.asarray(array)
    save(name, array, version)
    text = array.dtype.kind in "SU"
    plain = array.dtype.kind != "U" and array.dtype.byteorder != ">" and array.flags.c_contiguous
    expected[name] = {
        "dtype": "BYTES" if text else DTYPES[array.dtype.str[1:]],
        "shape": list(array.shape),
        "values": [value(element) for element in array.flatten(order="C").tolist()],
        "written": version == (1, 0) and plain,
    }


def refuse(name, array):
    save(name, np.asarray(array))
    expected[name] = {"refused": True}


FOLDER.mkdir(exist_ok=True)
keep("bool", np.array([[True, False], [False, True]]))
keep("uint8", np.array([0, 255], "u1"))
keep("uint16_big", np.array([1, 65535], ">u2"))
keep("uint32", np.array([[[1], [2**32 - 1]]], "<u4"))
keep("uint64_big", np.array([1, 2**64 - 1], ">u8"))
keep("int8", np.array([-128, 127], "i1"))
keep("int16", np.array([[-32768, 32767, 5]], "<i2"))
keep("int32_big", np.array([-2, 2**31 - 1], ">i4"))
keep("int64", np.array([-(2**63), 2**63 - 1], "<i8"))
keep("float16", np.array([0.1, -65504, 6e-8, 0], "<f2"))
keep("float16_big", np.array([1.5, -2], ">f2"))
keep("float32", np.array([[0.1, -1e30], [1e-45, 3]], "<f4"))
keep("float32_big", np.array([0.1, 2], ">f4"))
keep("float64", np.array([0.1, -1e300, 5e-324], "<f8"))
keep("float64_big_fortran", np.asfortranarray(np.arange(6, dtype=">f8").reshape(2, 3)))
keep("fortran", np.asfortranarray(np.arange(24, dtype="<f4").reshape(2, 3, 4)))
keep("fortran_bytes", np.asfortranarray(np.array([[b"a", b"bb"], [b"", b"dddd"], [b"e", b"f"]])))
keep("bytes", np.array([b"", b"abc", b"a\x00b", b"\xff"]))
keep("text", np.array([["\u00e9", "", "\U0001f371x"]], "<U4"))
keep("text_big", np.array(["ab", "\u99c5\u5f01"], ">U2"))
keep("scalar", np.float32(2.5))
keep("scalar_bytes", np.array(b"lunch"))
keep("no_rows", np.zeros((0, 3), "<f4"))
keep("no_bytes", np.array([], "S"))
keep("rank8", np.arange(2, dtype="<i2").reshape(1, 1, 1, 2, 1, 1, 1, 1))
keep("version2", np.arange(3, dtype="<i4"), (2, 0))
keep("version3", np.arange(3, dtype="<i4"), (3, 0))
refuse("object", np.array([{}], dtype=object))
refuse("complex", np.array([1j]))
refuse("structured", np.array([(1, 2.0)], dtype=[("a", "<i4"), ("b", "<f4")]))
(FOLDER / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
