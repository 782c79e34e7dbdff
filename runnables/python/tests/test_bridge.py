"""The bridge as a process of its own, driven by a parent as a worker does it."""

import os
import signal

import numpy as np
import pytest
from parent import Failed
from test_starting import failed

from ekiben import wire

MODEL = """
    import os, sys
    from typing import Annotated, List, Optional
    import numpy as np
    import ekiben

    class Model(ekiben.Runnable):
        SUPPORTED_RESOURCES = ("cpu", "nvidia.com/gpu")

        def __init__(self, factor=2):
            self.factor = factor
            self.kept = []

        @ekiben.Runnable.method(batchable=True)
        def scale(self, x):
            return x * self.factor

        @ekiben.Runnable.method(batchable=True)
        def echo(self, x, y=None):
            return x if y is None else (x, y)

        @ekiben.Runnable.method(batchable=True)
        def first(self, x: np.ndarray):
            return x.reshape(len(x), -1)[:, 0]

        @ekiben.Runnable.method(batchable=True)
        def where(self, x: np.ndarray):
            found = []
            for line in open("/proc/self/maps"):
                span, _, _, _, inode = line.split()[:5]
                low, high = (int(end, 16) for end in span.split("-"))
                if low <= x.ctypes.data < high:
                    found = [int(inode), x.ctypes.data - low]
            return np.full((len(x), 4), [*found, x.flags.owndata, x.flags.writeable])

        @ekiben.Runnable.method(batchable=True)
        def increment(self, x: np.ndarray):
            x += 1
            return x

        @ekiben.Runnable.method(batchable=True)
        def keep(self, x: np.ndarray):
            self.kept.append(x)
            return [[float(kept.flat[0]) for kept in self.kept]] * len(x)

        @ekiben.Runnable.method(batchable=True)
        def texts(self, x: List[str]) -> List[str]:
            return [text.upper() for text in x]

        @ekiben.Runnable.method(batchable=True)
        def picky(self, x: np.ndarray):
            bad = {int(i): ekiben.InputError(f"{x[i]} is negative") for i in np.flatnonzero(x < 0)}
            bad.update({int(i): KeyError("zero") for i in np.flatnonzero(x == 0)})
            if bad:
                raise ekiben.RowErrors(bad, outputs=np.sqrt(np.abs(x)))
            return np.sqrt(x)

        @ekiben.Runnable.method(batchable=True)
        def yields(self, x: np.ndarray):
            for i, number in enumerate(x):
                if number < 0:
                    raise {-1: ekiben.InputError("negative"), -2: ekiben.Retryable("later"), -3: KeyError("x")}.get(
                        int(number), ekiben.RowErrors({i: ekiben.InputError("only this one")}, (y for y in x))
                    )
                yield number

        @ekiben.Runnable.method
        def fail(self, how: str):
            if how == "exit":
                sys.exit(3)
            if how == "kill":
                os.kill(os.getpid(), 9)
            if how == "rows":
                raise ekiben.RowErrors({0: ekiben.InputError("the only one")})
            if how == "mute":
                class Mute(Exception):
                    def __str__(self):
                        raise RuntimeError
                raise Mute
            if how == "leaving":
                class Leaving(Exception):
                    def __str__(self):
                        sys.exit(9)
                raise Leaving
            if how == "syntax":
                raise SyntaxError("odd", ("file", "one", [], 3))
            if how == "status":
                raise type("BentoMLException", (Exception,), {"error_code": "none"})("odd status")
            if how == "nobody":
                class Hidden(Exception):
                    def __getattribute__(self, name):
                        raise RuntimeError(name)
                raise Hidden("hidden")
            if how == "long":
                raise ValueError("x\\n" * 100000)
            if how == "interrupt":
                raise KeyboardInterrupt
            class OutOfMemoryError(RuntimeError): ...
            raise {
                "input": ekiben.InputError("too long\\nby far"),
                "retryable": ekiben.Retryable("come back later"),
                "memory": MemoryError("no room"),
                "device": OutOfMemoryError("CUDA out of memory"),
                "runner": KeyError("x"),
                "silent": ValueError(),
            }[how]

        @ekiben.Runnable.method
        def output(self, x: int) -> int:
            return "text"

        @ekiben.Runnable.method
        def python(self, code: str):
            return eval(code)
"""


def test_the_child_says_what_it_has_made(start):
    parent = start(MODEL)
    assert parent.ready["protocol"] == 1
    assert parent.ready["pid"] == parent.process.pid
    assert parent.ready["language"].startswith("python 3.")
    assert parent.ready["resources"] == {
        "nvidia_gpu": True,
        "no_cpu": False,
        "multi_threading": False,
        "custom": [],
    }
    assert parent.inputs("echo")[1] == {
        "name": "y",
        "datatype": "ANY",
        "shape": None,
        "content": "json",
        "optional": True,
    }
    assert parent.end() == 0


def test_the_constructor_is_given_its_parameters(start):
    assert start(MODEL, init={"factor": 3}).call("scale", np.array([1.0, 2.0])).tolist() == [3, 6]


def test_a_description_makes_no_instance(start):
    source = """
        import ekiben
        class Model(ekiben.Runnable):
            def __init__(self):
                raise RuntimeError("made")
            @ekiben.Runnable.method
            def predict(self, x): ...
    """
    parent = start(source, describe=True)
    assert [method["name"] for method in parent.ready["methods"]] == ["predict"]
    assert parent.process.wait(60) == 0


SIZES = [(1,), (3, 5), (2, 0), (64 << 10,), (7, 100_000), (1, 3, 224, 224)]


@pytest.mark.parametrize("regions", [True, False])
def test_arrays_of_all_sizes_come_back_equal(start, regions):
    parent = start(MODEL, regions=regions)
    for shape in (*SIZES, *reversed(SIZES)):
        array = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
        answered = parent.call("echo", array, slot=2)
        assert answered.dtype == array.dtype and np.array_equal(answered, array)
        assert parent.slot == (2 if regions and array.nbytes >= wire.REGION_FROM else wire.NO_SLOT)


def test_without_a_slot_outputs_are_in_line(start):
    parent = start(MODEL)
    array = np.arange(1 << 17, dtype=np.int64)
    assert np.array_equal(parent.call("echo", array, slot=wire.NO_SLOT), array)
    assert parent.slot == wire.NO_SLOT


def test_several_large_and_small_outputs_share_a_slot(start):
    parent = start(MODEL)
    large, small = np.arange(20_000, dtype=np.int64), np.arange(20_000, dtype=np.uint8)
    for x, y in ((large, large + 1), (large, small), (small, large)):
        answered = parent.call("echo", x, y)
        assert np.array_equal(answered[0], x) and np.array_equal(answered[1], y)
        assert parent.slot == 0


def test_outputs_stay_while_other_slots_are_written(start):
    parent = start(MODEL)
    first = parent.call("echo", np.full(1 << 16, 1.0), slot=0)
    second = parent.call("echo", np.full(1 << 18, 2.0), slot=1)
    assert first.max() == 1 and second.min() == 2


def test_large_outputs_of_bytes_go_through_the_slot(start):
    parent = start(MODEL)
    texts = ["ž" * 1000] * 200
    assert parent.call("texts", texts) == [text.upper().encode() for text in texts]
    assert parent.slot == 0


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="needs Linux's /proc")
def test_a_large_input_is_the_very_memory_that_the_parent_wrote(start):
    parent = start(MODEL)
    inode = os.fstat(parent.fds[0]).st_ino
    for rows in (1, 50, 2):  # the second makes the region longer
        array = np.ones((rows, 100_000), np.float32)
        assert parent.call("where", array)[0].tolist() == [inode, 0, False, True]


def test_an_input_may_be_written_to_and_the_parent_sees_it(start):
    parent = start(MODEL)
    array = np.zeros(1 << 16)
    assert parent.call("increment", array).max() == 1
    shared = np.frombuffer(parent.regions[0].memory(array.nbytes), np.float64, 1 << 16)
    assert shared.min() == 1
    assert parent.call("increment", np.zeros(3)).tolist() == [1, 1, 1]


def test_an_exit_ends_the_process_with_its_status(start):
    parent = start(MODEL)
    with pytest.raises(EOFError):
        parent.call("fail", "exit")
    assert parent.process.wait(60) == 3


def test_what_is_printed_is_log_and_never_a_frame(start):
    parent = start(MODEL)
    code = "[print('hello'), os.write(1, b'raw\\n'), os.system('echo child'), print('err', file=sys.stderr)] and 1"
    assert parent.call("python", code) == [b"1"]
    for line in ("hello", "raw", "child", "err"):
        assert line in parent.output().split()


def test_standard_output_and_standard_error_are_not_joined(start):
    parent = start(MODEL)
    assert parent.call("python", "[print('to one'), print('to two', file=sys.stderr)] and 1") == [b"1"]
    assert (parent.log.read_text(), parent.errors.read_text()) == ("to one\n", "to two\n")


def test_processes_of_the_runnable_have_no_part_in_the_channel(start):
    parent = start(MODEL)
    folder = "'/proc/self/fd/'"
    names = f"[os.readlink({folder} + fd) for fd in os.listdir({folder}) if os.path.exists({folder} + fd)]"
    for how in ("close_fds=True", "close_fds=False"):
        program = f"[sys.executable, '-c', \"import os; print({names})\"]"
        (answer,) = parent.call("python", f"__import__('subprocess').check_output({program}, {how}).decode()")
        assert b"pipe" in answer and b"memfd" not in answer and b"socket" not in answer
    fork = f"os.waitpid(pid, 0)[1] if (pid := os.fork()) else os._exit('socket' in str({names}))"
    assert parent.call("python", fork) == [b"0"]
    assert parent.call("python", "[name for name in os.environ if name[7:] in ('CHANNEL', 'REGIONS')]") == [b"[]"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_to_the_group_leave_the_child_to_its_worker(start, number):
    parent = start(MODEL)
    parent.process.send_signal(number)
    assert parent.call("scale", np.array([1])).tolist() == [2]
    pid = int(parent.call("python", "(pid := os.fork()) or __import__('signal').pause()")[0])
    code = f"[os.kill({pid}, {int(number)}), os.waitpid({pid}, 0)][1][1] != 0"
    assert parent.call("python", code) == [b"true"]


def test_the_child_ends_when_the_channel_ends(start):
    assert start(MODEL).end() == 0


def test_threads_of_the_runnable_do_not_keep_the_child(start):
    source = """
        import atexit, sys, threading
        import ekiben

        class Model(ekiben.Runnable):
            def __init__(self):
                threading.Thread(target=threading.Event().wait).start()
                atexit.register(print, "goodbye")

            @ekiben.Runnable.method
            def leave(self):
                sys.exit("because")
    """
    parent = start(source)
    assert parent.end() == 0
    assert parent.output() == "goodbye\n"
    parent = start(source)
    with pytest.raises(EOFError):
        parent.call("leave")
    assert parent.process.wait(60) == 1
    assert parent.output() == "because\ngoodbye\n"


def test_a_frame_that_is_not_understood_ends_the_child(start):
    parent = start(MODEL)
    parent.socket.sendall(b"\xff" * 64)
    assert parent.process.wait(60) == 2
    assert "ekiben: a frame has" in parent.output()


def test_methods_and_slots_that_are_not_there_are_protocol_errors(start):
    parent = start(MODEL)
    parent.send(99, 1, 0, [np.array(1)])
    with pytest.raises(Failed, match="protocol: there is no method 99"):
        parent._result(1)
    with pytest.raises(Failed, match="protocol: there is no slot 9"):
        parent.call("echo", np.zeros(1 << 16), slot=9)


def test_numbers_of_the_constructor_keep_their_type(start):
    source = """
        import ekiben
        class Model(ekiben.Runnable):
            def __init__(self, **given):
                self.given = given
            @ekiben.Runnable.method
            def said(self) -> str:
                return repr(self.given)
    """
    given = {"a": 2.0, "b": 2, "c": [1.0, {"d": 0.5}]}
    assert start(source, init=given).call("said") == [repr(given).encode()]


def test_another_version_of_the_protocol_is_refused(start, monkeypatch):
    monkeypatch.setattr(wire, "pack_json", lambda kind, number, body: pack(kind, number, {**body, "protocol": 9}))
    assert failed(start, MODEL)[0] == "protocol"


pack = wire.pack_json


def test_annotations_are_read_where_all_are_strings(start):
    source = """
        from __future__ import annotations
        from typing import TYPE_CHECKING, Annotated
        import ekiben
        if TYPE_CHECKING:
            import numpy as np
        Features = ekiben.Tensor("float32", (-1, 4))

        class Model(ekiben.Runnable):
            @ekiben.Runnable.method(batchable=True)
            def predict(self, x: Annotated[np.ndarray, Features]) -> list[str]:
                return [str(row.sum()) for row in x]
    """
    parent = start(source)
    assert parent.inputs("predict") == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]
    assert parent.call("predict", np.ones((2, 4), np.float32)) == [b"4.0", b"4.0"]


def test_a_thousand_calls_leave_no_file_and_little_memory(start):
    parent = start(MODEL)
    array = np.zeros((4, 50_000), np.float32)
    count = "len(os.listdir('/proc/self/fd'))"
    resident = "int(open('/proc/self/statm').read().split()[1]) * 4096"
    for _ in range(50):
        parent.call("echo", array)
    before = [int(parent.call("python", code)[0]) for code in (count, resident)]
    for _ in range(1000):
        parent.call("echo", array)
    after = [int(parent.call("python", code)[0]) for code in (count, resident)]
    assert after[0] == before[0] and after[1] - before[1] < 4 << 20
