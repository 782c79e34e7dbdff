"""What becomes of what methods return that declare it."""

from typing import Annotated, List, Tuple

import numpy as np
import numpy.typing as npt
import pytest
from test_values import given, method_of, sent

import ekiben
from ekiben.errors import InputError, OutputError


def test_declared_outputs_are_held_to_what_is_declared():
    assert sent(1, annotation=float) == ("FP64", (), 1.0)
    assert sent(np.bool_(True), annotation=bool) == ("BOOL", (), True)
    assert sent([1, 2], 2, List[int]) == ("INT64", (2,), [1, 2])
    assert sent("a", annotation=str) == ("BYTES", (), [b"a"])
    spec = ekiben.Tensor("float32", (-1, 2))
    assert sent(np.zeros((3, 2)), 3, spec)[0] == "FP32"
    assert sent([[1.0, 2.0]], 1, Annotated[np.ndarray, spec]) == ("FP32", (1, 2), [[1.0, 2.0]])
    for wrong, said in (
        (np.zeros((3, 4)), r"has shape \[3, 4\], declared is \[-1, 2\]"),
        (np.zeros(3), r"has shape \[3\]"),
        (np.zeros((3, 2), complex), "complex128"),
        ([["a", "b"]] * 3, "<U1|declared is FP32"),
    ):
        with pytest.raises(OutputError, match=said):
            sent(wrong, 3, spec)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [(0.5, int), (1, str), ("a", bytes), ("a", float), (None, np.float32), ("a", List[str]), (1, List[dict])],
)
def test_what_is_not_as_declared_is_an_output_error(value, annotation):
    with pytest.raises(OutputError, match="output 'result'"):
        sent(value, annotation=annotation)


def test_an_array_that_declares_its_type_is_held_to_it():
    declared = npt.NDArray[np.int32]
    assert sent(np.array([1, 2]), 2, declared) == ("INT32", (2,), [1, 2])
    assert sent([[1], [2]], 2, declared) == ("INT32", (2, 1), [[1], [2]])
    assert sent(np.array([True]), 1, declared) == ("INT32", (1,), [1])
    assert sent(np.array([1, 2]), 2, npt.NDArray[np.float32]) == ("FP32", (2,), [1.0, 2.0])
    for wrong, said in (
        (np.array([0.5]), "has elements of float64, declared is INT32"),
        (np.array([1 << 31]), "has numbers that do not fit INT32"),
        (["a"], "has strings, declared is INT32"),
        ([None], "has elements that are no numbers, declared is INT32"),
        ({"a": 1}, "a dict was returned, declared is INT32"),
        (None, "None was returned, declared is INT32"),
    ):
        with pytest.raises(OutputError, match=f"output 'result' of method: {said}"):
            sent(wrong, 1, declared)
    assert sent(np.array(["a"]), 1, np.ndarray)[0] == "BYTES"  # of any type


@pytest.mark.parametrize(
    ("value", "annotation", "said"),
    [
        (1, str, "an int was returned, declared is str"),
        (None, int, "None was returned, declared is INT64"),
        ("a", int, "a str was returned, declared is INT64"),
        (None, str, "None was returned, declared is str"),
        (["a"], List[int], "has strings, declared is INT64"),
        (1 << 70, int, "an int was returned, declared is INT64"),
        (300, np.uint8, "declared is UINT8"),
    ],
)
def test_what_was_returned_is_named_in_words(value, annotation, said):
    with pytest.raises(OutputError, match=f"output 'result' of method: .*{said}"):
        sent(value, annotation=annotation)


def test_a_generator_of_numbers_is_a_list():
    assert sent((x for x in (1, 2)), 2, List[int]) == ("INT64", (2,), [1, 2])


def test_as_many_outputs_as_declared_are_wanted():
    def method(self, x) -> Tuple[int, str]: ...

    assert [t.code for t in method_of(method).encode((1, "a"), 1)] == [9, 14]
    for wrong in (1, (1,), (1, "a", 2)):
        with pytest.raises(OutputError, match="2 are declared"):
            method_of(method).encode(wrong, 1)


@pytest.mark.parametrize(
    "annotation", [npt.NDArray[np.float32], ekiben.Tensor("float32", (-1,)), ekiben.Tensor("float16", (-1,))]
)
def test_numbers_that_would_become_infinite_are_refused(annotation):
    for value in ([1e300, 1.0], np.array([-1e300, 0]), np.array([1 << 62, 1], np.uint64) * 2.0**70):
        with pytest.raises(OutputError, match="has numbers that do not fit FP"):
            sent(value, 2, annotation)
    _, _, numbers = sent([float("inf"), float("nan")], 2, annotation)
    assert numbers[0] == float("inf") and numbers[1] != numbers[1]
    assert sent([0.1, 1e-300], 2, annotation)[1] == (2,)


def test_numbers_that_would_become_infinite_are_refused_of_callers_too():
    with pytest.raises(InputError, match="has elements that are no float32"):
        given(npt.NDArray[np.float32], np.array([1e300]))
    assert given(npt.NDArray[np.float32], np.array([float("inf")])) == float("inf")
