"""The event loop of the process, for classes that have asynchronous methods.

It runs in a thread of its own, so that tasks go on whatever is called. The instance
is made in it: its clients, locks and queues belong to the loop that its methods are
waited for in.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from typing import Any


class EventLoop:
    """One loop. It ends with the process, which leave ends where a task does."""

    def __init__(self, leave: Callable[[Any], Any]) -> None:
        self._loop = asyncio.new_event_loop()
        self._leave = leave
        threading.Thread(target=self._run, name="ekiben event loop", daemon=True).start()

    def _run(self) -> None:
        try:
            self._loop.run_forever()
            self._leave("ekiben: the event loop was stopped")
        except SystemExit as exc:
            self._leave(exc.code)
        except BaseException as exc:
            self._leave(f"ekiben: the event loop ended: {exc!r}")

    def call(self, function: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
        """Calls a function in the loop, and waits for what it returns if that can be
        waited for. What it raises is raised here."""

        async def outcome() -> tuple[Any, Any]:
            try:
                returned = function(*args, **keywords)
                return (await returned if inspect.isawaitable(returned) else returned), None
            except BaseException as exc:
                return None, exc

        returned, raised = asyncio.run_coroutine_threadsafe(outcome(), self._loop).result()
        try:
            if raised is not None:
                raise raised
        finally:
            raised = None  # its traceback has this frame
        return returned
