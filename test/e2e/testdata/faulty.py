"""A runnable that goes wrong on demand, by the number that it is given."""

import os
import signal
import sys
import time

import numpy as np

import ekiben

FINE = 100  # numbers from here on are answered with their double


class Faulty(ekiben.Runnable):
    @ekiben.Runnable.method(batchable=True)
    def run(self, x: ekiben.Tensor("int64", (-1,))) -> ekiben.Tensor("int64", (-1,)):
        for fault in x[x < FINE]:
            answer = FAULTS[int(fault)](x)
            if answer is not None:
                return answer
        return x * 2

    @ekiben.Runnable.method
    def pid(self) -> int:
        return os.getpid()


def garbage(x):
    print("garbage \x00\x01 on standard output", "x" * 5000)
    os.write(1, b"\xff\xfe\x00 and beside Python's back\n")
    sys.stderr.write("half a line, and never its end")


def leak(x):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 31, hard))
    try:
        return np.concatenate([np.ones(1 << 27) for _ in range(64)]) and x
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def wrong_input(x):
    raise ekiben.InputError("7 is not a number that anybody likes")


def broken(x):
    raise ValueError("the model is broken")


FAULTS = {
    1: lambda x: os.kill(os.getpid(), signal.SIGKILL),
    2: lambda x: os.abort(),
    3: lambda x: time.sleep(3600),
    4: garbage,
    5: leak,
    6: lambda x: x[:-1],  # the wrong length
    7: wrong_input,
    8: lambda x: x.astype(np.complex128),  # the wrong type
    9: lambda x: x.reshape(-1, 1),  # the wrong shape
    10: broken,
    11: lambda x: os._exit(3),
    12: lambda x: os.kill(os.getpid(), signal.SIGSTOP),
}


class Unimportable(ekiben.Runnable):
    def __init__(self):
        import a_module_that_nobody_has  # noqa: F401

    @ekiben.Runnable.method
    def run(self):
        return None
