"""What a runnable keeps of its arguments stays what it was."""

import os

import numpy as np
import pytest
from parent import Failed

MODEL = """
    import os, threading
    import numpy as np
    import ekiben

    class Model(ekiben.Runnable):
        def __init__(self):
            self.kept = []
            self.begin = threading.Event()

        @ekiben.Runnable.method(batchable=True)
        def keep(self, x: np.ndarray, y: np.ndarray = None):
            self.kept += [x, x[-1:], x.reshape(-1)[::7], memoryview(x)]
            self.kept += [] if y is None else [y]
            return x

        @ekiben.Runnable.method(batchable=True)
        def lists(self, x: list[np.ndarray]):
            self.kept.append(x[-1])
            return x

        @ekiben.Runnable.method(batchable=True)
        def fail(self, x: np.ndarray):
            self.kept.append(x)
            raise ValueError("kept")

        @ekiben.Runnable.method(batchable=True)
        def later(self, x: np.ndarray):
            def look():
                self.begin.wait()
                self.kept.append(float(np.max(x)))
            self.thread = threading.Thread(target=look)
            self.thread.start()
            return x

        @ekiben.Runnable.method(batchable=True)
        def change(self, x: np.ndarray):
            self.kept[0] += 1
            return x

        @ekiben.Runnable.method(batchable=True)
        def shared(self, x: np.ndarray):
            cycle = [x]
            cycle.append(cycle)
            for line in open("/proc/self/maps"):
                span, _, _, _, inode = line.split()[:5]
                low, high = (int(end, 16) for end in span.split("-"))
                if low <= x.ctypes.data < high:
                    return np.full(len(x), int(inode))

        @ekiben.Runnable.method
        def said(self):
            self.begin.set()
            if hasattr(self, "thread"):
                self.thread.join()
            return [[float(np.min(kept)), float(np.max(kept))] for kept in self.kept]

        @ekiben.Runnable.method
        def forget(self):
            self.kept.clear()
            return sum("memfd:region" in line for line in open("/proc/self/maps"))
"""

SMALL, LARGE = 3, 1 << 15


def rows_of(number, width=LARGE):
    return np.full((2, width), float(number))


def said(parent):
    return parent.call("said")[0].decode()


@pytest.mark.parametrize("width", [SMALL, LARGE])
def test_what_is_kept_beyond_its_call_stays_what_it_was(start, width):
    parent = start(MODEL)
    want = []
    for number in range(1, 4):
        assert np.array_equal(parent.call("keep", rows_of(number, width)), rows_of(number, width))
        want += [[float(number)] * 2] * 4
    assert said(parent) == str(want).replace(" ", "")
    parent.call("change", rows_of(9, width))  # it is theirs, and the parent's stays the parent's
    assert said(parent).startswith("[[2.0,2.0],")
    assert np.array_equal(parent.call("keep", rows_of(8, width)), rows_of(8, width))


def test_so_is_what_is_kept_of_several_arguments_while_memory_grows(start):
    parent = start(MODEL)
    for number in range(1, 4):
        x, y = rows_of(number, LARGE << number), rows_of(-number, LARGE << number)
        assert np.array_equal(parent.call("keep", x, y), x)
    want = [[[n, n]] * 4 + [[-n, -n]] for n in (1.0, 2.0, 3.0)]
    assert said(parent) == str(sum(want, [])).replace(" ", "")


@pytest.mark.parametrize("name", ["lists", "fail"])
def test_rows_and_arguments_of_calls_that_failed_are_kept(start, name):
    parent = start(MODEL)
    for number in (1, 2):
        try:
            parent.call(name, rows_of(number))
        except Failed as exc:
            assert exc.message == "ValueError: kept"
    assert said(parent) == "[[1.0,1.0],[2.0,2.0]]"


def test_so_is_what_a_thread_has_that_goes_on(start):
    parent = start(MODEL)
    parent.call("later", rows_of(5))
    parent.call("shared", rows_of(6))
    assert said(parent) == "[[5.0,5.0]]"


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="needs Linux's /proc")
def test_who_keeps_nothing_reads_the_parents_memory_as_before(start):
    parent = start(MODEL)
    inode = os.fstat(parent.fds[0]).st_ino
    for number in range(3):
        parent.call("keep", rows_of(number))
        assert parent.call("shared", rows_of(number)).tolist() == [inode] * 2
    assert int(parent.call("forget")[0]) <= 2  # of inputs and of outputs, and none that was kept


def test_tensors_of_pytorch_are_kept(start):
    pytest.importorskip("torch", reason="torch is not installed")
    source = MODEL.replace("def keep(self, x: np.ndarray", "def keep(self, x: 'torch.Tensor'").replace(
        "[x, x[-1:], x.reshape(-1)[::7], memoryview(x)]", "[x[-1:]]"
    )
    parent = start(source)
    for number in (1, 2):
        parent.call("keep", rows_of(number))
    assert said(parent) == "[[1.0,1.0],[2.0,2.0]]"
