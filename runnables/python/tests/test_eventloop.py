"""Asynchronous methods, which share one event loop."""

import numpy as np
import pytest
from parent import Failed
from test_starting import failed

MODEL = """
    import asyncio, sys, threading
    import numpy as np
    import ekiben

    class Model(ekiben.Runnable):
        def __init__(self):
            self.loop = asyncio.get_running_loop()
            self.queue = asyncio.Queue(1)
            self.done = threading.Event()
            self.lock = asyncio.Lock()
            self.sums = asyncio.create_task(self.summed())

        async def summed(self):
            total = 0
            while True:
                total += await self.queue.get()
                if total >= 3:
                    self.sum = total
                    self.done.set()

        @ekiben.Runnable.method
        async def put(self, x: int) -> int:
            async with self.lock:
                await self.queue.put(x)
            return x

        @ekiben.Runnable.method
        async def hold(self) -> bool:
            await self.lock.acquire()
            self.loop.call_later(0.01, self.lock.release)
            return asyncio.get_running_loop() is self.loop

        @ekiben.Runnable.method
        def total(self) -> int:
            self.done.wait()
            return self.sum

        @ekiben.Runnable.method(batchable=True)
        async def double(self, x: np.ndarray):
            await asyncio.sleep(0)
            return 2 * x

        @ekiben.Runnable.method
        async def fail(self, how: str):
            if how == "exit":
                sys.exit(3)
            if how == "cancel":
                raise asyncio.CancelledError
            raise ekiben.InputError(how)

        @ekiben.Runnable.method
        async def leave(self):
            async def ending():
                sys.exit(4)
            task = asyncio.create_task(ending())
            await asyncio.Event().wait()
"""


def test_asynchronous_methods_are_waited_for(start):
    parent = start(MODEL)
    for number in (1.0, 2.0):
        for width in (1, 1 << 16):
            assert parent.call("double", np.full((1, width), number)).max() == 2 * number


def test_locks_queues_and_tasks_are_shared_by_all_methods(start):
    parent = start(MODEL)
    assert parent.call("hold").tolist()
    assert [parent.call("put", np.array(number)).tolist() for number in (1, 2)] == [1, 2]
    # The task goes on while a method is called that is not asynchronous.
    assert parent.call("total").tolist() == 3


def test_what_asynchronous_methods_raise_is_told(start):
    parent = start(MODEL)
    with pytest.raises(Failed, match="input: no") as caught:
        parent.call("fail", "no")
    assert 'model.py", line' in caught.value.traceback
    with pytest.raises(Failed, match="runner: CancelledError"):
        parent.call("fail", "cancel")
    with pytest.raises(EOFError):
        parent.call("fail", "exit")
    assert parent.process.wait(60) == 3


def test_a_task_that_exits_ends_the_process(start):
    parent = start(MODEL)
    with pytest.raises(EOFError):
        parent.call("leave")
    assert parent.process.wait(60) == 4


def test_the_process_ends_with_its_channel_whatever_its_loop_does(start):
    assert start(MODEL).end() == 0


def test_constructors_that_fail_in_the_loop_are_init_errors(start):
    source = MODEL.replace("self.queue = asyncio.Queue(1)", "open('nowhere')")
    reason, message = failed(start, source)
    assert reason == "init" and message.endswith("'nowhere' (model.py, line 9)")
