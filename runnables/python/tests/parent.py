"""A parent for the bridge, as a worker is one: a socket pair and regions."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any, Optional

import numpy as np

from ekiben import wire
from ekiben.channel import Items, view
from ekiben.dtypes import of_array, of_items
from ekiben.regions import Region, align, write

PACKAGE = Path(__file__).resolve().parent.parent
SLOTS = 3


def region() -> int:
    """A file without a name."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("region")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class Failed(Exception):
    """The child answered ERROR or FAILED."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__(f"{body['reason']}: {body['message']}")
        self.reason = body["reason"]
        self.message = body["message"]
        self.traceback = body.get("traceback", "")


class Parent:
    """Starts a bridge on a module whose source is given, and calls its methods."""

    def __init__(
        self,
        directory: Path,
        source: str,
        target: str = "model:Model",
        init: Optional[dict[str, Any]] = None,
        describe: bool = False,
        regions: bool = True,
        python: str = sys.executable,
        env: Optional[dict[str, str]] = None,
    ) -> None:
        (directory / "model.py").write_text(textwrap.dedent(source))
        self.log = directory / "log"
        self.errors = directory / "errors"
        ours, theirs = socket.socketpair()
        ours.settimeout(60)
        self.fds = [region() for _ in range(SLOTS + 1)] if regions else []
        with self.log.open("wb") as log, self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [python, "-u", "-m", "ekiben.bridge"],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=errors,
                pass_fds=[theirs.fileno(), *self.fds],
                env={
                    **os.environ,
                    "PYTHONPATH": str(PACKAGE),
                    "EKIBEN_CHANNEL": str(theirs.fileno()),
                    "EKIBEN_REGIONS": ",".join(map(str, self.fds)),
                    **(env or {}),
                },
            )
        theirs.close()
        self.socket = ours
        self.regions = [Region(fd) for fd in self.fds]
        self.next_id = 0
        start = {"protocol": 1, "target": target, "init": init, "describe": describe, "new": "unknown"}
        self.socket.sendall(wire.pack_json(wire.START, 0, start))
        try:
            self.ready = self._json(wire.READY)
        except BaseException:
            self.close()
            raise

    def signature(self, name: str) -> dict[str, Any]:
        return next(method for method in self.ready["methods"] if method["name"] == name)

    def inputs(self, name: str) -> list[dict[str, Any]]:
        return self.signature(name)["inputs"]

    def call(self, name: str, *inputs: Any, **options: Any) -> Any:
        """Calls a method and returns its outputs: arrays, or lists of BYTES."""
        outputs, _ = self.call_rows(name, *inputs, **options)
        return outputs[0] if len(outputs) == 1 else outputs

    def call_rows(
        self, name: str, *inputs: Any, rows: Optional[int] = None, slot: int = 0, tail: bytes = b""
    ) -> tuple[list[Any], dict[int, dict[str, str]]]:
        """Like call, with the rows that failed."""
        method = [method["name"] for method in self.ready["methods"]].index(name)
        if rows is None:
            rows = len(inputs[0]) if self.ready["methods"][method]["batchable"] else 1
        inputs += (None,) * (len(self.ready["methods"][method]["inputs"]) - len(inputs))
        self.send(method, rows, slot if self.fds else wire.NO_SLOT, inputs, tail)
        return self._result(rows)

    def send(self, method: int, rows: int, slot: int, inputs: Any, tail: bytes = b"") -> None:
        self.next_id += 1
        headers, inline, offset = [], [], 0
        for value in inputs:
            if value is None:
                headers.append((0, (), wire.LEFT_OUT, 0, 0))
                continue
            tensor = tensor_of(value)
            if tensor.size >= wire.REGION_FROM and self.fds:
                memory = self.regions[0].room(offset + tensor.size)
                write(memory, offset, tensor.data)
                headers.append((tensor.code, tensor.shape, wire.IN_REGION, offset, tensor.size))
                offset = align(offset + tensor.size)
            else:
                headers.append((tensor.code, tensor.shape, 0, 0, tensor.size))
                inline.append(bytes(tensor.data))
        data = b"".join(inline)
        head = wire.pack_payload(wire.CALL, self.next_id, (method, rows, slot), headers, len(data), tail)
        self.socket.sendall(head + data + tail)

    def _result(self, rows: int) -> tuple[list[Any], dict[int, dict[str, str]]]:
        kind, number, frame = self.receive()
        assert number == self.next_id
        if kind == wire.ERROR:
            raise Failed(json.loads(frame[wire.HEADER.size :]))
        assert kind == wire.RESULT
        _, answered, self.slot, self.headers, position = wire.parse_payload(frame, len(frame))
        assert answered == rows
        outputs = []
        for code, shape, flags, offset, size in self.headers:
            if flags & wire.IN_REGION:
                assert offset % 64 == 0
                memory = self.regions[1 + self.slot].memory(offset + size)
                value = view(code, shape, memory, offset, size)
            else:
                value = view(code, shape, frame, position, size)
                position += size
            outputs.append(value.items if isinstance(value, Items) else value)
        tail = json.loads(frame[position:] or b"{}")
        return outputs, {int(row): error for row, error in tail.items()}

    def receive(self) -> tuple[int, int, bytearray]:
        head = self._exactly(wire.HEADER.size)
        length, kind, number = wire.parse_header(head)
        return kind, number, head + self._exactly(length)

    def _exactly(self, size: int) -> bytearray:
        data = bytearray()
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise EOFError(self.output())
            data += part
        return data

    def _json(self, want: int) -> dict[str, Any]:
        kind, _, frame = self.receive()
        body = json.loads(frame[wire.HEADER.size :])
        if kind == wire.FAILED:
            raise Failed(body)
        assert kind == want
        return body

    def output(self) -> str:
        """What the child has written to standard error, and then to standard output."""
        return self.errors.read_text() + self.log.read_text()

    def end(self) -> int:
        """Ends the channel and returns the child's exit status."""
        self.socket.close()
        return self.process.wait(60)

    def close(self) -> None:
        self.socket.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(60)
        for fd in self.fds:
            os.close(fd)
        self.fds = []


def tensor_of(value: Any) -> Any:
    """The tensor of an array, or of strings or bytes: BYTES."""
    if isinstance(value, np.ndarray):
        array = np.ascontiguousarray(value).reshape(value.shape)
        tensor = of_array(array)
        assert tensor is not None
        return tensor._replace(data=array if tensor.size >= wire.REGION_FROM else array.tobytes())
    if isinstance(value, (str, bytes)):
        return of_items([_encoded(value)], ())
    return of_items([_encoded(item) for item in value], (len(value),))


def _encoded(item: Any) -> bytes:
    return item.encode() if isinstance(item, str) else item
