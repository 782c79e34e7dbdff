"""What methods are published as, and what is refused."""

import collections.abc
import dataclasses
import typing
from typing import Annotated, Any, Dict, List, Literal, NewType, Optional, Sequence, Tuple, TypedDict, Union

import numpy as np
import numpy.typing as npt
import pytest

import ekiben
from ekiben.errors import SignatureError
from ekiben.methods import served

ANY = {"datatype": "ANY", "shape": None, "content": "json"}
FEATURES = ekiben.Tensor("float32", (-1, 4))
Name = NewType("Name", str)


class Point(TypedDict):
    x: int


@dataclasses.dataclass
class Flower:
    petals: int
    color: str = "red"


def bytes_spec(shape, content):
    return {"datatype": "BYTES", "shape": shape, **({"content": content} if content else {})}


def signature_of(func, **options):
    cls = type("Model", (), {"method": ekiben.Runnable.method(func, **options)})
    return served(cls)[0].signature()


def annotated(annotation, **options):
    """The published input of a method whose argument has the annotation."""

    def method(self, x): ...

    method.__annotations__["x"] = annotation
    (spec,) = signature_of(method, **options)["inputs"]
    assert spec.pop("name") == "x"
    return spec


def refusal(func, **options):
    with pytest.raises(SignatureError) as caught:
        signature_of(func, **options)
    return str(caught.value)


SINGLE = [
    (Any, bytes_spec([], "json")),
    (object, bytes_spec([], "json")),
    (str, bytes_spec([], "text")),
    (Name, bytes_spec([], "text")),
    (Literal["a", "b"], bytes_spec([], "text")),
    (bytes, bytes_spec([], "")),
    (dict, bytes_spec([], "json")),
    (Dict[str, int], bytes_spec([], "json")),
    (typing.Mapping[str, int], bytes_spec([], "json")),
    (Point, bytes_spec([], "json")),
    (Flower, bytes_spec([], "json")),
    (int, {"datatype": "INT64", "shape": []}),
    (float, {"datatype": "FP64", "shape": []}),
    (bool, {"datatype": "BOOL", "shape": []}),
    (np.float32, {"datatype": "FP32", "shape": []}),
    (Optional[str], bytes_spec([], "text")),
]

BOTH = [
    (np.ndarray, ANY),
    (npt.NDArray[np.float32], ANY),
    (npt.NDArray[Any], ANY),
    (Optional[np.ndarray], ANY),
    (Union[np.ndarray, List[str]], ANY),
    (npt.ArrayLike, ANY),
    (List[np.ndarray], ANY),
    (FEATURES, {"datatype": "FP32", "shape": [-1, 4]}),
    (Annotated[np.ndarray, FEATURES], {"datatype": "FP32", "shape": [-1, 4]}),
    (ekiben.Tensor(np.int8, (None,)), {"datatype": "INT8", "shape": [-1]}),
    (ekiben.Tensor("BF16", (-1, 2, 2)), {"datatype": "BF16", "shape": [-1, 2, 2]}),
    (list, bytes_spec([-1], "json")),
    (List[str], bytes_spec([-1], "text")),
    (Sequence[str], bytes_spec([-1], "text")),
    (collections.abc.Iterable, bytes_spec([-1], "json")),
    (Tuple[str, ...], bytes_spec([-1], "text")),
    (List[bytes], bytes_spec([-1], "")),
    (List[Dict[str, Any]], bytes_spec([-1], "json")),
    (List[List[float]], bytes_spec([-1], "json")),
    (List[Flower], bytes_spec([-1], "json")),
    (List[int], {"datatype": "INT64", "shape": [-1]}),
    (List[float], {"datatype": "FP64", "shape": [-1]}),
    (List[bool], {"datatype": "BOOL", "shape": [-1]}),
]


def shown(value):
    return str(value).replace("typing.", "") if not isinstance(value, dict) else ""


@pytest.mark.parametrize(("annotation", "want"), SINGLE + BOTH, ids=shown)
def test_annotations_of_single_calls(annotation, want):
    assert annotated(annotation) == want


@pytest.mark.parametrize(("annotation", "want"), [(Any, ANY), *BOTH], ids=shown)
def test_annotations_of_batches(annotation, want):
    assert annotated(annotation, batchable=True) == want


@pytest.mark.parametrize("annotation", [a for a, _ in SINGLE if a not in (Any, object)], ids=shown)
def test_the_value_of_one_call_cannot_be_batched(annotation):
    def method(self, x): ...

    method.__annotations__["x"] = annotation
    said = refusal(method, batchable=True)
    assert "argument 'x'" in said and ("batchable=False" in said or "give it one, of size -1" in said)


@pytest.mark.parametrize("annotation", [list, List[str], List[int]], ids=shown)
def test_lists_are_batched_along_dimension_0_only(annotation):
    def method(self, x): ...

    method.__annotations__["x"] = annotation
    assert "set batch_dim=0" in refusal(method, batchable=True, batch_dim=(1, 0))


def test_no_annotation_is_any_value():
    signature = signature_of(lambda self, x: x, batchable=True)
    assert signature["inputs"] == [{"name": "x", **ANY}]
    assert "outputs" not in signature


def test_a_batch_dimension_must_be_of_any_size():
    def fixed(self, x: ekiben.Tensor("float32", (1, 4))): ...

    def scalar(self, x: ekiben.Tensor("float32", ())): ...

    assert "make it -1" in refusal(fixed, batchable=True)
    assert "no dimension 0" in refusal(scalar, batchable=True)
    assert "no dimension 2" in refusal(
        lambda self, x: x, batchable=True, batch_dim=2, input_spec=ekiben.Tensor("float32", (-1, 4))
    )
    assert annotated(ekiben.Tensor("float32", (4, -1)), batchable=True, batch_dim=1)["shape"] == [4, -1]


def test_a_batchable_method_without_arguments_is_refused():
    assert "nothing to batch" in refusal(lambda self: 1, batchable=True)


@pytest.mark.parametrize(
    ("func", "want"),
    [
        (lambda self, *xs: xs, r"*xs could be anything"),
        (lambda self, **options: 1, r"**options could be anything"),
        (lambda: 1, "takes no self"),
    ],
)
def test_arguments_that_cannot_be_known_are_refused(func, want):
    assert want in refusal(func)


def test_a_class_that_nothing_is_known_of_is_refused():
    class Matrix: ...

    def method(self, x: Matrix): ...

    said = refusal(method)
    assert "Matrix" in said and "or nothing" in said


def test_arguments_are_by_position_and_by_name_and_may_be_left_out():
    def method(self, a, /, b, c=3, *, d, e=None): ...

    inputs = signature_of(method)["inputs"]
    assert [spec["name"] for spec in inputs] == ["a", "b", "c", "d", "e"]
    assert [spec.get("optional", False) for spec in inputs] == [False, False, True, False, True]


def test_annotations_may_be_strings():
    def method(self, a: "np.ndarray", b: "List[str]", c: "str | None" = None, d: "pd.DataFrame" = None): ...  # noqa: F821

    method.__annotations__.pop("d")
    specs = {spec.pop("name"): spec for spec in signature_of(method)["inputs"]}
    assert specs["a"] == ANY
    assert specs["b"] == bytes_spec([-1], "text")
    assert specs["c"] == {**bytes_spec([], "text"), "optional": True}


def test_one_of_several_types_may_be_written_as_a_string():
    def method(self, x: "np.ndarray | List[str]"): ...

    assert signature_of(method)["inputs"] == [{"name": "x", **ANY}]


def test_an_annotation_that_cannot_be_read_is_refused():
    def method(self, x: "Unknown"): ...  # noqa: F821

    assert "outside of TYPE_CHECKING" in refusal(method)


OUTPUTS = [
    (np.ndarray, [{"name": "result", **ANY}]),
    (bool, [{"name": "result", "datatype": "BOOL", "shape": []}]),
    (str, [{"name": "result", **bytes_spec([], "text")}]),
    (dict, [{"name": "result", **bytes_spec([], "json")}]),
    (None, [{"name": "result", **bytes_spec([], "json")}]),
    (
        Tuple[np.ndarray, str],
        [{"name": "result_0", **ANY}, {"name": "result_1", **bytes_spec([], "text")}],
    ),
    (FEATURES, [{"name": "result", "datatype": "FP32", "shape": [-1, 4]}]),
    (Any, None),
    (tuple, None),
    (Tuple[str, ...], None),
    (Union[str, int], None),
    (Optional[str], None),
    (Tuple[str, Optional[str]], None),
    (typing.Iterator[str], None),
    (pytest.Item, None),
]


@pytest.mark.parametrize(("annotation", "want"), OUTPUTS, ids=shown)
def test_outputs_are_declared_by_the_return_annotation(annotation, want):
    def method(self, x): ...

    method.__annotations__["return"] = annotation
    assert signature_of(method).get("outputs") == want


def test_an_output_that_cannot_be_split_is_refused():
    def text(self, x) -> str: ...

    def pair(self, x) -> Tuple[np.ndarray, dict]: ...

    assert "output 'result'" in refusal(text, batchable=True)
    assert "output 'result_1'" in refusal(pair, batchable=True)


def test_a_return_annotation_that_cannot_be_read_says_nothing():
    def method(self, x) -> "Unknown": ...  # noqa: F821

    assert "outputs" not in signature_of(method)


def test_specs_say_what_annotations_can_say():
    signature = signature_of(
        lambda self, x, names: x,
        batchable=True,
        input_spec={"x": FEATURES, "names": List[str]},
        output_spec={"label": ekiben.Tensor("int64", (-1,)), "score": ekiben.Tensor("float32", (-1, 3))},
    )
    assert [spec["datatype"] for spec in signature["inputs"]] == ["FP32", "BYTES"]
    assert signature["outputs"] == [
        {"name": "label", "datatype": "INT64", "shape": [-1]},
        {"name": "score", "datatype": "FP32", "shape": [-1, 3]},
    ]
    assert signature_of(lambda self, x: x, input_spec=FEATURES)["inputs"][0]["shape"] == [-1, 4]
    assert signature_of(lambda self, x, y: x, input_spec=(FEATURES, str))["inputs"][1]["content"] == "text"
    assert signature_of(lambda self, x: x, output_spec=(str, int))["outputs"][1]["name"] == "result_1"


def test_specs_that_do_not_fit_are_refused():
    assert "2 entries for 1" in refusal(lambda self, x: x, input_spec=(FEATURES, str))
    assert "'y'" in refusal(lambda self, x: x, input_spec={"y": str}).replace("has y", "'y'")
    assert "does not know" in refusal(lambda self, x: x, output_spec=(str, pytest.Item))


@pytest.mark.parametrize("dtype", ["complex64", "datetime64[s]", object, "U4", "nothing", "float128"])
def test_data_types_that_tensors_cannot_have_are_refused(dtype):
    with pytest.raises(SignatureError, match="no data type"):
        ekiben.Tensor(dtype, (-1,))


@pytest.mark.parametrize("shape", [(0,), (-2,), (1.5,), ("n",), (1,) * 9])
def test_shapes_that_tensors_cannot_have_are_refused(shape):
    with pytest.raises(SignatureError, match="shape"):
        ekiben.Tensor("float32", shape)


def test_asynchronous_generators_are_refused():
    async def method(self, x):
        yield x

    assert "return a list" in refusal(method)
