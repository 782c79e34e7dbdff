"""Calls that fail, and what is said of them."""

import os

import numpy as np
import pytest
from parent import Failed
from test_bridge import MODEL


def test_rows_fail_alone(start):
    parent = start(MODEL)
    (roots,), failed = parent.call_rows("picky", np.array([4.0, -1.0, 9.0, 0.0]))
    assert roots[0] == 2 and roots[2] == 3
    assert failed == {
        1: {"reason": "input", "message": "-1.0 is negative"},
        3: {"reason": "runner", "message": "KeyError: 'zero'"},
    }


@pytest.mark.parametrize(
    ("how", "reason", "message"),
    [
        ("input", "input", "too long by far"),
        ("retryable", "retryable", "come back later"),
        ("memory", "memory", "MemoryError: no room"),
        ("device", "memory", "OutOfMemoryError: CUDA out of memory"),
        ("runner", "runner", "KeyError: 'x'"),
        ("silent", "runner", "ValueError"),
        ("mute", "runner", "Mute"),
        ("leaving", "runner", "Leaving"),
        ("status", "runner", "BentoMLException: odd status"),
        ("syntax", "runner", "SyntaxError: odd (file)"),
        ("nobody", "runner", "Hidden: hidden"),
        ("rows", "input", "the only one"),
        ("interrupt", "runner", "KeyboardInterrupt"),
    ],
)
def test_exceptions_are_told_apart(start, how, reason, message):
    parent = start(MODEL)
    with pytest.raises(Failed) as caught:
        parent.call("fail", how)
    assert (caught.value.reason, caught.value.message) == (reason, message)
    assert "Traceback" in caught.value.traceback
    assert parent.call("scale", np.array([1])).tolist() == [2]


def test_what_a_generator_raises_is_raised_by_its_method(start):
    parent = start(MODEL)
    assert parent.call("yields", np.array([1.0, 2.0])) == [b"1.0", b"2.0"]
    for number, said in ((-1, "input: negative"), (-2, "retryable: later"), (-3, "runner: KeyError: 'x'")):
        with pytest.raises(Failed) as caught:
            parent.call("yields", np.array([1.0, number]))
        assert str(caught.value) == said
    _, failed = parent.call_rows("yields", np.array([1.0, -4.0]))
    assert failed == {1: {"reason": "input", "message": "only this one"}}


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux's /proc")
@pytest.mark.parametrize("regions", [True, False])
def test_a_call_that_there_is_no_memory_for_fails_alone(start, regions):
    parent = start(MODEL, regions=regions)
    limit = (
        "__import__('resource').setrlimit(9, (int(open('/proc/self/statm').read().split()[0]) * 4096 + {}, -1)) or 1"
    )
    for size in (8 << 20, 16 << 20):
        parent.call("python", limit.format(32 << 20))
        with pytest.raises(Failed, match="memory: .*emory"):
            parent.call("first", np.zeros((2, size)))
        parent.call("python", limit.format(1 << 30))
        assert parent.call("first", np.ones((2, size))).tolist() == [1, 1]


def test_messages_are_of_bounded_length(start):
    with pytest.raises(Failed) as caught:
        start(MODEL).call("fail", "long")
    assert len(caught.value.message) < 2100 and len(caught.value.traceback) <= 16000


def test_wrong_outputs_and_inputs_are_told_apart(start):
    parent = start(MODEL)
    with pytest.raises(Failed, match="output: output 'result' of output"):
        parent.call("output", np.array(1))
    with pytest.raises(Failed, match="input: argument 'x' is a tensor of numbers, want BYTES"):
        parent.call("texts", np.array([1]))
