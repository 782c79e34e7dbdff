"""Classes that the Go tests serve."""

import os
import sys
import threading
import time

import ekiben
import numpy as np

# What a library would see that reads its settings when it is imported.
IMPORTED = dict(os.environ)


class Subject(ekiben.Runnable):
    SUPPORTED_RESOURCES = ("nvidia.com/gpu", "cpu")
    SUPPORTS_CPU_MULTI_THREADING = True

    def __init__(self, scale=1.0):
        self.scale = scale

    @ekiben.Runnable.method(batchable=True)
    def first(self, x: np.ndarray):
        return np.ascontiguousarray(x[:, 0])

    @ekiben.Runnable.method(batchable=True)
    def echo(self, x: np.ndarray):
        return x

    @ekiben.Runnable.method(batchable=True)
    def scaled(self, x: np.ndarray):
        return x * self.scale

    @ekiben.Runnable.method(batchable=True)
    def where(self, x: np.ndarray):
        """Which file the argument's memory is of."""
        return [mapping_of(x)] * len(x)

    @ekiben.Runnable.method
    def act(self, what: str) -> str:
        verb, _, rest = what.partition(" ")
        return getattr(self, verb)(rest) or ""

    def env(self, name):
        return os.environ.get(name, "unset")

    def imported(self, name):
        return IMPORTED.get(name, "unset")

    def environ(self, _):
        return "\n".join(f"{name}={value}" for name, value in os.environ.items())

    def cwd(self, _):
        return os.getcwd()

    def given(self, _):
        return repr(self.scale)

    def say(self, what):
        return what

    def write(self, what):
        print(what)
        os.write(1, b"raw " + what.encode() + b"\n")
        print("err", what, file=sys.stderr)

    def raises(self, what):
        raise ValueError(what)

    def refuses(self, what):
        raise ekiben.InputError(what)

    def exit(self, status):
        os._exit(int(status))

    def hang(self, _):
        while True:
            time.sleep(1)

    def crash(self, _):
        import ctypes

        ctypes.string_at(0)

    def hoard(self, _):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
        try:
            np.ones(1 << 32)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))

    def thread(self, _):
        threading.Thread(target=os.abort).start()
        time.sleep(10)


class Broken(ekiben.Runnable):
    def __init__(self):
        raise RuntimeError("no such file")

    @ekiben.Runnable.method
    def run(self, x: str) -> str:
        return x


class Odd(ekiben.Runnable):
    @ekiben.Runnable.method(batchable=True)
    def run(self, x: str) -> str:
        return x


def mapping_of(array):
    at = array.__array_interface__["data"][0]
    with open("/proc/self/maps") as maps:
        for line in maps:
            fields = line.split()
            low, high = (int(part, 16) for part in fields[0].split("-"))
            if low <= at < high and fields[4] != "0":
                return f"inode {fields[4]} at {at - low + int(fields[2], 16)}"
    return ""


sys.stdout.write("subject was imported\n")
