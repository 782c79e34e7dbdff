"""The child's end: `python -m ekiben.bridge` makes one instance and serves it.

PROTOCOL.md says what is spoken. The process ends when the channel does.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import platform
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from typing import Any, NoReturn, Optional

from . import wire
from .channel import Call, Channel
from .dtypes import Tensor
from .errors import (
    ProtocolError,
    SignatureError,
    failure,
    message_of,
    reason_of,
    start_failure,
)
from .loading import load
from .methods import Method, served
from .regions import Regions
from .runnable import resources_of
from .runs import check_alike, joined, owned, runs_of, take

# They are sent to groups of processes, and are for the worker.
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StartError(Exception):
    """No instance could be made, for a reason of PROTOCOL.md."""

    def __init__(self, reason: str, cause: BaseException) -> None:
        super().__init__(reason)
        self.reason = reason
        self.cause = cause


def connect() -> Channel:
    """The channel and the regions that the parent left open for this process, and
    for no other that it starts."""
    fd = int(os.environ.pop("EKIBEN_CHANNEL"))
    regions = [int(number) for number in os.environ.pop("EKIBEN_REGIONS", "").split(",") if number]
    for number in (fd, *regions):
        os.set_inheritable(number, False)
    connection = socket.socket(fileno=fd)
    connection.setblocking(True)
    _release_forks(connection)
    return Channel(connection, Regions(regions))


def _release_forks(connection: socket.socket) -> None:
    """A process that the runnable forks has no part in the channel, and ends when
    it is told to, even if that is told before it runs its first line."""
    masks: list[Any] = []

    def before() -> None:
        masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS))

    def parent() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.pop())

    def child() -> None:
        connection.close()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        parent()

    os.register_at_fork(before=before, after_in_parent=parent, after_in_child=child)


def settle() -> None:
    """What the process must do before any code of the runnable runs.

    Signals to a process group or a container are the worker's to answer: it may
    have calls to finish, and ends this process by the channel or by SIGKILL.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    for number in SIGNALS:
        signal.signal(number, lambda *_: None)


def prepare(start: dict[str, Any]) -> tuple[type, list[Method]]:
    """Loads the class and reads its methods."""
    try:
        cls = load(start.get("target") or "")
    except BaseException as exc:  # SystemExit too
        raise StartError("import", exc) from exc
    try:
        return cls, served(cls)
    except Exception as exc:
        raise StartError("signature", exc) from exc


def make(cls: type, methods: list[Method], init: dict[str, Any]) -> None:
    """Makes the instance, in the event loop if it has use for one."""
    try:
        if any(method.asynchronous for method in methods):
            from .eventloop import EventLoop  # asyncio takes a while to import

            loop = EventLoop(leave)
            instance = loop.call(cls, **init)
        else:
            loop, instance = None, cls(**init)
        for method in methods:
            method.bind(instance, loop)
    except BaseException as exc:
        raise StartError("init", exc) from exc


def ready(cls: type, methods: list[Method]) -> dict[str, Any]:
    """The body of READY."""
    try:
        resources = resources_of(cls)
    except SignatureError as exc:
        raise StartError("signature", exc) from exc
    return {
        "protocol": wire.PROTOCOL,
        "language": f"python {platform.python_version()}",
        "pid": os.getpid(),
        "resources": resources,
        "methods": [method.signature() for method in methods],
    }


def answer(channel: Channel, methods: list[Method], call: Call) -> None:
    """Runs one call and sends what came of it. Nothing here has its arguments any more
    when it is sent, so whoever does keeps them."""
    frame = outcome(channel, methods, call)
    call.inputs.clear()
    channel.send(frame)


def outcome(channel: Channel, methods: list[Method], call: Call) -> list[bytes]:
    """What came of a call, as a frame in parts. SystemExit ends the process: to the
    worker that is a crash, and the calls of the batch are tried one by one."""
    try:
        if call.method >= len(methods):
            raise ProtocolError(f"there is no method {call.method}, only {len(methods)}")
        method = methods[call.method]
        outputs, failed = execute(method, call)
        return channel.result(call, outputs, _tail(failed))
    except SystemExit:
        raise
    except BaseException as exc:
        return [wire.pack_json(wire.ERROR, call.id, failure(exc))]


def execute(method: Method, call: Call) -> tuple[list[Tensor], Mapping[int, BaseException]]:
    """The outputs of a call, and the rows that failed."""
    runs = runs_of(method, call)
    if runs is None:
        return method.execute(call.inputs, call.rows)
    outputs: list[list[Tensor]] = []
    failed: dict[int, BaseException] = {}
    for rows in runs:
        tensors, errors = method.execute([take(raw, rows, method.batch_in) for raw in call.inputs], len(rows))
        check_alike((outputs or [tensors])[0], tensors, method.batch_out)
        outputs.append(list(map(owned, tensors)))
        failed.update((int(rows[row]), exc) for row, exc in errors.items())
    return joined(runs, outputs, method.batch_out), failed


def _tail(failed: Mapping[int, BaseException]) -> bytes:
    """The rows that failed, as RESULT has them."""
    errors = {str(row): {"reason": reason_of(exc), "message": message_of(exc)} for row, exc in failed.items()}
    return json.dumps(errors, separators=(",", ":")).encode() if errors else b""


def serve(channel: Channel) -> int:
    """Serves one instance until the channel ends, and returns the exit status."""
    try:
        start = channel.start()
        if start is None:
            return 0
        cls, methods = prepare(start)
        message = ready(cls, methods)
        if start.get("describe"):
            channel.send_json(wire.READY, 0, message)
            return 0
        make(cls, methods, start.get("init") or {})
    except StartError as exc:
        channel.send_json(wire.FAILED, 0, start_failure(exc.cause, exc.reason))
        return 1
    except ProtocolError as exc:
        channel.send_json(wire.FAILED, 0, failure(exc))
        return 1
    gc.collect()
    gc.freeze()  # what was loaded stays: collections need not look at it again
    channel.send_json(wire.READY, 0, message)
    call: Optional[Call] = channel.call()
    while call is not None:
        answer(channel, methods, call)
        call = None  # its arrays need not outlive it
        call = channel.call()
    return 0


def main() -> int:
    """Runs the bridge."""
    settle()
    channel = connect()
    try:
        return serve(channel)
    except ConnectionError:
        return 0  # the worker is gone
    except ProtocolError as exc:
        print(f"ekiben: {exc}", file=sys.stderr)
        return 2
    except Exception:
        traceback.print_exc()
        return 1  # at once: threads of the runnable would keep the process, and the worker waiting


def leave(status: Any) -> NoReturn:
    """Ends the process as sys.exit would, but waits for no thread of the runnable."""
    if status is not None and not isinstance(status, int):
        print(status, file=sys.stderr)
        status = 1
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit((status or 0) & 0xFF)


if __name__ == "__main__":
    try:
        status: Any = main()
    except SystemExit as exc:
        status = exc.code
    leave(status)
