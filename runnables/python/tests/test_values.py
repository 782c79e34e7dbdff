"""What methods are given, and what becomes of what they return."""

import dataclasses
import datetime
import decimal
import json
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import numpy as np
import numpy.typing as npt
import pytest

import ekiben
from ekiben.channel import BFloat16, Items
from ekiben.dtypes import CODES, NAMES, NUMPY
from ekiben.errors import InputError, OutputError, a
from ekiben.methods import served


def method_of(func, **options):
    cls = type("Model", (), {"method": ekiben.Runnable.method(func, **options)})
    (method,) = served(cls)
    method.bind(cls())
    return method


def given(annotation, raw, **options):
    """What a method is given for an argument with the annotation."""

    def method(self, x):
        return x

    method.__annotations__["x"] = annotation
    return method_of(method, **options).run([raw])


def unannotated(raw, **options):
    return method_of(lambda self, x: x, **options).run([raw])


def items(*documents, shape=None):
    encoded = [d if isinstance(d, bytes) else json.dumps(d).encode() for d in documents]
    return Items(encoded, (len(encoded),) if shape is None else shape)


def sent(value, rows=None, annotation=None, **options):
    """The tensor of what a method returns: its data type, shape, and elements."""

    def method(self, x):
        return value

    if annotation is not None:
        method.__annotations__["return"] = annotation
    served_method = method_of(method, batchable=rows is not None, **options)
    (tensor,), _ = served_method.execute([np.zeros(rows or 1)], rows or 1)
    return NAMES[tensor.code], tensor.shape, elements(tensor)


def elements(tensor):
    if NAMES[tensor.code] != "BYTES":
        return np.asarray(tensor.data).tolist()
    found, position = [], 0
    while position < len(tensor.data):
        size = int.from_bytes(tensor.data[position : position + 4], "little")
        found.append(tensor.data[position + 4 : position + 4 + size])
        position += 4 + size
    return found


def documents(value, rows=None, **options):
    """The JSON documents that a value is sent as, and their shape."""
    datatype, shape, found = sent(value, rows, **options)
    assert datatype == "BYTES"
    return shape, [json.loads(item) for item in found]


# What arrives.


def test_arrays_arrive_as_they_are():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert unannotated(array, batchable=True) is array
    assert unannotated(array) is array
    assert given(np.ndarray, array) is array
    assert given(ekiben.Tensor("float32", (-1, 3)), array, batchable=True) is array


def test_one_number_arrives_as_a_number_of_python():
    assert type(unannotated(np.array(3))) is int
    assert type(unannotated(np.array(0.5))) is float
    assert type(unannotated(np.array(True))) is bool
    assert given(int, np.array(3)) == 3 and type(given(float, np.array(0.5))) is float
    assert given(np.float32, np.array(0.5, np.float32)) == np.float32(0.5)


def test_json_arrives_as_values():
    assert unannotated(items("BentoML is great", shape=())) == "BentoML is great"
    assert unannotated(items({"a": [1, None]}, shape=())) == {"a": [1, None]}
    assert unannotated(items("a", {"b": 1}), batchable=True) == ["a", {"b": 1}]
    assert unannotated(items(1, 2, 3, 4, shape=(2, 2)), batchable=True) == [[1, 2], [3, 4]]


def test_declared_elements_arrive_as_declared():
    assert given(str, items("čau".encode(), shape=())) == "čau"
    assert given(bytes, items(b"\x00\xff", shape=())) == b"\x00\xff"
    assert given(dict, items({"a": 1}, shape=())) == {"a": 1}
    assert given(List[str], items(b"a", b"", b"c"), batchable=True) == ["a", "", "c"]
    assert given(List[bytes], items(b"\xff", b"")) == [b"\xff", b""]
    assert given(List[Dict[str, Any]], items({"a": 1}, {"a": 2}), batchable=True) == [{"a": 1}, {"a": 2}]
    assert given(List[str], items(), batchable=True) == []
    assert given(List[int], np.array([1, 2])) == [1, 2]
    assert given(Sequence[float], np.array([0.5])) == [0.5]


def test_an_array_may_be_of_strings():
    array = given(np.ndarray, items("a", "bc"), batchable=True)
    assert array.dtype.kind == "U" and array.tolist() == ["a", "bc"]
    assert given(np.ndarray, items(["a", "b"], shape=())).shape == (2,)


@pytest.mark.parametrize("raw", [items([1, 2], [3]), items(None, "a"), items({"a": 1})])
def test_what_is_no_array_is_the_callers_fault(raw):
    with pytest.raises(InputError, match="argument 'x' is no array"):
        given(np.ndarray, raw, batchable=True)


def test_numbers_are_cast_to_the_type_that_an_array_declares():
    assert given(npt.NDArray[np.float32], np.array([1, 2])).dtype == np.float32
    assert given(npt.NDArray[np.uint8], np.array([0, 255])).dtype == np.uint8
    for wrong in (np.array([256]), np.array([-1]), np.array([0.5])):
        with pytest.raises(InputError, match="no uint8"):
            given(npt.NDArray[np.uint8], wrong)


def test_a_list_of_arrays_has_one_for_each_row():
    rows = given(List[np.ndarray], np.arange(6).reshape(2, 3), batchable=True)
    assert [row.tolist() for row in rows] == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("annotation", "raw"),
    [
        (str, np.array(1)),
        (int, items(b"1", shape=())),
        (ekiben.Tensor("float32", (-1,)), items(b"1")),
        (List[str], np.array([1])),
        (str, items(b"\xff", shape=())),
        (dict, items(b"{", shape=())),
        (list, items(b"1", b"2,3")),
        (list, items(b"1,2", b"")),
    ],
)
def test_what_does_not_fit_is_the_callers_fault(annotation, raw):
    with pytest.raises(InputError, match="argument 'x'"):
        given(annotation, raw)


@dataclasses.dataclass
class Flower:
    petals: int
    color: str = "red"


def test_dataclasses_are_made_of_json():
    assert given(Flower, items({"petals": 5}, shape=())) == Flower(5)
    assert given(List[Flower], items({"petals": 5, "color": "blue"}), batchable=True) == [Flower(5, "blue")]
    for wrong in ({"color": "red"}, {"petals": 5, "thorns": 1}, [5]):
        with pytest.raises(InputError, match="does not make a Flower"):
            given(Flower, items(wrong, shape=()))


def test_models_of_pydantic_are_made_of_json():
    pydantic = pytest.importorskip("pydantic")

    class Point(pydantic.BaseModel):
        x: int

    assert given(Point, items({"x": 1}, shape=())) == Point(x=1)
    with pytest.raises(InputError, match="does not make a Point"):
        given(Point, items({"x": "a"}, shape=()))
    assert documents(Point(x=2)) == ((), [{"x": 2}])


def test_arguments_go_by_position_and_by_name():
    def method(self, a, /, b, c=3, *, d, e=5):
        return [a, b, c, d, e]

    one = np.array(1)
    assert method_of(method).run([one, one, None, one, None]) == [1, 1, 3, 1, 5]
    assert method_of(method).run([one] * 5) == [1] * 5
    with pytest.raises(InputError, match="argument 'b' is missing"):
        method_of(method).run([one, None, None, one, None])
    with pytest.raises(InputError, match="takes 5 arguments, not 2"):
        method_of(method).run([one, one])


def bfloat16(*bits):
    return np.array(bits, np.uint16).view(BFloat16)


def test_bfloat16_needs_ml_dtypes(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(InputError, match="argument 'x' numpy has no bfloat16|install ml_dtypes"):
        unannotated(bfloat16(0x3F80), batchable=True)


def test_bfloat16_is_that_of_ml_dtypes():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = unannotated(bfloat16(0x3F80, 0xC000), batchable=True)
    assert array.dtype == ml_dtypes.bfloat16 and array.astype(float).tolist() == [1.0, -2.0]
    assert sent(array, 2) == ("BF16", (2,), [0x3F80, 0xC000])
    assert sent([1.0], 1, ekiben.Tensor("bfloat16", (-1,)))[0] == "BF16"


# What is returned.


@pytest.mark.parametrize("code", NUMPY)
def test_arrays_of_numbers_stay_tensors(code):
    array = np.array([[0, 1], [1, 0]], NUMPY[code])
    assert sent(array, 2) == (NAMES[code], (2, 2), array.tolist())
    assert sent(array[0, 1]) == (NAMES[code], (), array[0, 1].item())
    assert CODES[NAMES[code]] == code


def test_everything_else_is_one_document_of_a_single_call():
    for value in ("text", True, 3, 0.5, None, {"a": [1]}, [1, 2], [], {"x": None}):
        assert documents(value) == ((), [value])
    assert documents(np.array(["a", "b"])) == ((), [["a", "b"]])
    assert documents(np.array([1, None], object)) == ((), [[1, None]])
    assert documents(np.str_("a")) == ((), ["a"])
    assert documents(x for x in (1, 2)) == ((), [[1, 2]])


def test_everything_else_is_a_document_for_each_row_of_a_batch():
    assert documents(["a", {"b": 1}], 2) == ((2,), ["a", {"b": 1}])
    assert documents([1, 2], 2) == ((2,), [1, 2])
    assert documents(np.array(["a", "b"]), 2) == ((2,), ["a", "b"])
    assert documents(np.array([[1, None]], object), 1) == ((1,), [[1, None]])
    assert documents([np.arange(2), np.arange(3)], 2) == ((2,), [[0, 1], [0, 1, 2]])
    assert documents((x for x in "ab"), 2) == ((2,), ["a", "b"])


def test_json_knows_what_python_programs_have():
    value = {
        "numpy": np.float32(0.5),
        "array": np.array([[1, 2]]),
        "bytes": b"\x00\xff",
        "date": datetime.date(2024, 2, 29),
        "time": datetime.datetime(2024, 2, 29, 12),
        "moment": np.datetime64("2024-02-29"),
        "decimal": decimal.Decimal("1.10"),
        "set": {1},
        "flower": Flower(5),
    }
    assert documents(value)[1] == [
        {
            "numpy": 0.5,
            "array": [[1, 2]],
            "bytes": "AP8=",
            "date": "2024-02-29",
            "time": "2024-02-29T12:00:00",
            "moment": "2024-02-29",
            "decimal": "1.10",
            "set": [1],
            "flower": {"petals": 5, "color": "red"},
        }
    ]


def test_bytes_are_base64_unless_they_are_declared():
    assert documents(b"\x00\xff") == ((), ["AP8="])
    assert sent(b"\x00\xff", annotation=bytes) == ("BYTES", (), [b"\x00\xff"])
    assert sent([b"a", b""], 2, List[bytes]) == ("BYTES", (2,), [b"a", b""])


def test_arrays_of_any_layout_and_byte_order_are_sent():
    array = np.arange(6, dtype=">i4").reshape(2, 3).T
    datatype, shape, found = sent(array, 3)
    assert (datatype, shape, found) == ("INT32", (3, 2), [[0, 3], [1, 4], [2, 5]])


@pytest.mark.parametrize("dtype", ["complex64", "datetime64[s]", "timedelta64[s]", "i4,f4"])
def test_arrays_that_cannot_be_sent_say_so(dtype):
    with pytest.raises(OutputError, match="output 'result' of method: an array of"):
        sent(np.zeros(2, dtype), 2)
    with pytest.raises(OutputError, match="output 'result' of method: an array of"):
        sent(np.zeros(2, dtype))


@pytest.mark.parametrize("value", [{"a": 1}, "text", None, 3, True, b"bytes", np.float32(1)])
def test_a_batch_is_answered_with_one_value_for_each_row(value):
    with pytest.raises(OutputError, match="2 rows"):
        sent(value, 2)


@pytest.mark.parametrize("value", [np.zeros(3), np.zeros((3, 2)), [1, 2, 3], np.array(["a"] * 3)])
def test_a_batch_is_answered_with_as_many_rows(value):
    with pytest.raises(OutputError, match="output 'result' of method: has 3 rows for 2 rows of input"):
        sent(value, 2)


def test_rows_of_outputs_are_counted_along_their_own_dimension():
    assert sent(np.zeros((3, 2)), 2, batch_dim=(0, 1))[1] == (3, 2)
    with pytest.raises(OutputError, match="has 3 rows for 2"):
        sent(np.zeros((2, 3)), 2, batch_dim=(0, 1))
    with pytest.raises(OutputError, match="no dimension 1 to count the 2 rows"):
        sent(np.zeros(2), 2, batch_dim=(0, 1))


class Pair(NamedTuple):
    label: Any
    score: Any


def test_a_tuple_is_several_outputs():
    for value in ((np.array([1, 2]), ["a", "b"]), Pair(np.array([1, 2]), ["a", "b"])):
        tensors = method_of(lambda self, x: x, batchable=True).encode(value, 2)
        assert [tensor.shape for tensor in tensors] == [(2,), (2,)]
    with pytest.raises(OutputError, match="output 'result_1' of method: has 1 rows for 2"):
        method_of(lambda self, x: x, batchable=True).encode((np.array([1, 2]), ["a"]), 2)
    with pytest.raises(OutputError, match="empty tuple"):
        method_of(lambda self, x: x).encode((), 1)


@pytest.mark.parametrize("value", [float("nan"), [1.0, float("-inf")], {"a": np.float32("nan")}])
def test_numbers_that_json_lacks_are_named(value):
    with pytest.raises(OutputError, match="no NaN and no infinity. Return None"):
        sent(value)


def test_an_array_of_strings_is_no_array_of_numbers():
    with pytest.raises(InputError, match="argument 'x' has strings, want float32"):
        given(npt.NDArray[np.float32], items("a", "b"), batchable=True)


def test_articles():
    for name, said in {"int": "an int", "uint8": "a uint8", "Unknown": "an Unknown", "str": "a str"}.items():
        assert a(name) == said


@pytest.mark.parametrize("value", [float("nan"), {"a": float("inf")}, {"a": object()}, {(1, 2): 3}, "\ud800"])
def test_what_has_no_json_form_is_an_output_error(value):
    with pytest.raises(OutputError, match="no JSON form"):
        sent(value)


def test_what_goes_round_in_circles_is_an_output_error():
    value: List[Any] = []
    value.append(value)
    with pytest.raises(OutputError, match="Circular"):
        sent(value)


def test_an_optional_output_may_be_none():
    assert documents(None, annotation=Optional[str]) == ((), [None])
    assert documents("a", annotation=Optional[str]) == ((), ["a"])


@pytest.mark.parametrize("width", [2, 20_000])
def test_what_is_masked_is_null_and_never_what_is_behind_the_mask(width):
    masked = np.ma.array(np.full((2, width), 7.0), mask=np.arange(2 * width).reshape(2, width) == 1)
    _, _, (first, second) = sent(masked, 2)
    assert json.loads(first) == [7.0, None] + [7.0] * (width - 2) and json.loads(second) == [7.0] * width
    assert sent(masked) == ("BYTES", (), [b"[" + first + b"," + second + b"]"])
    assert sent(np.ma.array(["a", "b"], mask=[True, False]), 2)[2] == [b"null", b'"b"']
    assert json.loads(sent({"x": np.ma.array(["2024-02-29"] * 2, "M8[D]", mask=[1, 0])})[2][0]) == {
        "x": [None, "2024-02-29"]
    }
    unmasked = np.ma.array(np.full((2, width), 7.0), mask=False)
    assert sent(unmasked, 2)[:2] == ("FP64", (2, width))
    for annotation in (npt.NDArray[np.float64], ekiben.Tensor("float64", (-1, width))):
        assert sent(unmasked, 2, annotation)[:2] == ("FP64", (2, width))
        for value in (masked, list(masked)):
            with pytest.raises(OutputError, match="has masked elements, declared is FP64"):
                sent(value, 2, annotation)
    with pytest.raises(OutputError, match="has masked elements"):
        sent([1.0, np.ma.masked], 2, List[float])
