"""Calls that arrive together are answered as each would be alone."""

import json

import numpy as np
import pytest
from parent import Failed

pytest.importorskip("pandas", reason="pandas is not installed")

MODEL = """
    import ekiben, numpy as np, pandas as pd

    class Model(ekiben.Runnable):
        def __init__(self):
            self.runs, self.buffer = [], np.zeros(100)

        @ekiben.Runnable.method(batchable=True)
        def values(self, x: pd.DataFrame):
            self.runs.append(len(x))
            return x.values

        @ekiben.Runnable.method(batchable=True)
        def said(self, x: pd.DataFrame, y: list = None) -> list[str]:
            self.runs.append(len(x))
            said = [f"{list(x.columns)} {list(map(str, x.dtypes))} {row}" for row in x.values.tolist()]
            return said if y is None else [f"{a} {b}" for a, b in zip(said, y)]

        @ekiben.Runnable.method(batchable=True)
        def column(self, x: pd.Series) -> list[str]:
            return [f"{x.dtype} {value!r}" for value in x.tolist()]

        @ekiben.Runnable.method(batchable=True)
        def strings(self, x: np.ndarray) -> list[str]:
            return [repr(row) for row in x.tolist()]

        @ekiben.Runnable.method(batchable=True)
        def picky(self, x: pd.DataFrame):
            bad = {i: ekiben.InputError("is 0") for i, value in enumerate(x["a"]) if value == 0}
            if bad:
                raise ekiben.RowErrors(bad, outputs=x["a"])
            return x["a"]

        @ekiben.Runnable.method(batchable=True, batch_dim=(0, 1))
        def turned(self, x: pd.DataFrame, y: np.ndarray):
            return x["a"].to_numpy()[None, :] + y.T

        @ekiben.Runnable.method(batchable=True)
        def buffered(self, x: pd.DataFrame):
            self.buffer[: len(x)] = x["a"]
            return self.buffer[: len(x)]

        @ekiben.Runnable.method
        def ran(self):
            runs, self.runs = self.runs, []
            return runs
"""

FRAMES = {
    "order": ([{"a": 1, "b": 2}], [{"b": 2, "a": 1}]),
    "a foreign column": ([{"a": 1}], [{"a": 2, "c": "x"}]),
    "a column of null": ([{"a": 1}], [{"a": None}]),
    "numbers": ([{"a": 1}], [{"a": 0.5}], [{"a": 3}], [{"a": 2}, {"a": None}]),
    "what is missing": ([{"a": 1}, {"b": 2}], [{"a": 1, "b": 2}], [{"b": 1, "a": 2}]),
    "widths": ([[1, 2]], [1], [[1], [2, 3]], [[3, 4]]),
    "truth": ([{"a": True}], [{"a": 1}], [{"a": True}, {"a": 1}], [{"a": None}, {"a": False}]),
    "texts": ([{"a": "x"}], [{"a": None}, {"a": "y"}], [{"a": 1}, {"a": "z"}]),
    "large numbers": ([{"a": 1}], [{"a": 1 << 63}], [{"a": -1}, {"a": 1 << 63}], [{"a": 1 << 80}], [{"a": 2}]),
    "no columns": ([{}], [{"a": 1}], [{}, {}]),
    "values in values": ([{"a": [1]}], [{"a": {"b": 1}}], [[[1, 2]]], [[{"b": 1}]]),
}


def encoded(rows):
    return [json.dumps(row) for row in rows]


def alone_and_together(parent, name, calls):
    alone = [answer for call in calls for answer in parent.call(name, encoded(call))]
    rows = [row for call in calls for row in call]
    return alone, parent.call(name, encoded(rows), tail=json.dumps([len(call) for call in calls]).encode())


def test_a_frame_is_what_it_would_be_without_its_mates(start):
    parent = start(MODEL)
    for name, calls in FRAMES.items():
        for batch in (calls, [*calls, *calls, calls[0] * 3]):
            alone, together = alone_and_together(parent, "said", batch)
            assert together == alone, name
    everything = [call for calls in FRAMES.values() for call in calls]
    alone, together = alone_and_together(parent, "said", everything)
    assert together == alone


def test_so_are_series_and_arrays_of_documents(start):
    parent = start(MODEL)
    calls = [[1, "a"], ["b"], [True, 1], ["c", "d"]]
    alone, together = alone_and_together(parent, "strings", calls)
    assert together == alone
    calls += [[1], [0.5], [None], [1, None], [{"a": 1}], [[1], [2, 3]]]
    alone, together = alone_and_together(parent, "column", calls)
    assert together == alone


def test_calls_of_one_layout_are_run_at_once(start):
    parent = start(MODEL)
    a, b = [{"a": 1, "b": "x"}], [{"b": "y", "a": 2}] * 2
    for calls, runs in (([a, a, a], [3]), ([a, b, a, b], [2, 4]), ([a], [1])):
        parent.call("said", encoded(sum(calls, [])), tail=json.dumps([len(call) for call in calls]).encode())
        assert json.loads(parent.call("ran")[0]) == runs
    # Where nobody says whose rows they are, they are those of one call.
    parent.call("said", encoded(a + b))
    assert json.loads(parent.call("ran")[0]) == [3]


def test_other_arguments_go_with_their_rows(start):
    parent = start(MODEL)
    x = encoded([{"a": 1}, {"b": 2}, {"a": 3}, {"a": 4}])
    answered = parent.call("said", x, encoded(["p", "q", "r", "s"]), tail=b"[1,1,2]")
    assert [text[-1:] for text in answered] == [b"p", b"q", b"r", b"s"]


def test_outputs_of_any_dimension_come_back_in_order(start):
    parent = start(MODEL)
    x = encoded([{"a": 1}, {"b": 0, "a": 2}, {"a": 3}])
    y = np.arange(6, dtype=np.int64).reshape(3, 2) * 10
    assert parent.call("turned", x, y, tail=b"[1,1,1]").tolist() == [[1, 22, 43], [11, 32, 53]]
    large = np.zeros((3, 20_000), np.int64) + np.arange(20_000)
    assert np.array_equal(parent.call("turned", x, large, tail=b"[1,1,1]"), large.T + [1, 2, 3])


def test_a_method_may_write_its_answers_to_one_array(start):
    x = encoded([{"a": 1}, {"b": 0, "a": 2}, {"a": 3}])
    assert start(MODEL).call("buffered", x, tail=b"[1,1,1]").tolist() == [1, 2, 3]


def test_rows_that_fail_are_counted_over_all_calls(start):
    x = encoded([{"a": 1}, {"b": 1, "a": 0}, {"b": 2, "a": 3}, {"a": 0}, {"a": 5}])
    (values,), failed = start(MODEL).call_rows("picky", x, tail=b"[1,2,2]")
    assert sorted(failed) == [1, 3] and failed[1] == {"reason": "input", "message": "is 0"}
    assert values[[0, 2, 4]].tolist() == [1, 3, 5]


def test_answers_of_different_types_are_not_made_one(start):
    parent = start(MODEL)
    for calls in (([{"a": 1}], [{"a": 0.5}]), ([[1, 2]], [[1]])):
        with pytest.raises(Failed) as caught:
            parent.call("values", encoded(sum(calls, [])), tail=b"[1,1]")
        assert caught.value.reason == "output" and caught.value.traceback == ""
    answered = parent.call("values", encoded([{"a": 1, "b": 2}, {"b": 2, "a": 1}]), tail=b"[1,1]")
    assert answered.tolist() == [[1, 2], [2, 1]]


def test_borders_that_do_not_fit_are_a_protocol_error(start):
    parent = start(MODEL)
    for tail in (b"[1,2]", b"[3,-1]", b"{}", b"[", b'["x"]', b"7"):
        with pytest.raises(Failed, match="protocol: a call of 2 rows has the tail"):
            parent.call("said", encoded([{"a": 1}, {"a": 2}]), tail=tail)
