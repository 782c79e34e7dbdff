"""What a method can raise, and what is told of an exception.

A method that raises anything else than these fails the calls of its batch with
the type and the text of the exception; the traceback goes to the log.
"""

from __future__ import annotations

import os
import sysconfig
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Optional


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return ""


_HERE = _working_directory()
"""The folder that the process was started in, whatever becomes of it."""

MAX_MESSAGE = 2000
MAX_TRACEBACK = 16000


class InputError(ValueError):
    """The caller is to blame; the text is meant for the caller."""


class Retryable(Exception):
    """Trying the same call again may help."""


class RowErrors(Exception):
    """Fails single rows of a batch.

    errors has the exception of each failed row, by its index from 0. outputs is
    what the method would have returned, with all rows; those of the failed ones
    are not used.
    """

    def __init__(self, errors: Mapping[int, BaseException], outputs: Any = None) -> None:
        super().__init__(f"{len(errors)} rows failed")
        self.errors = dict(errors)
        self.outputs = outputs


class SignatureError(TypeError):
    """A method cannot be served as it is declared."""


class OutputError(ValueError):
    """What a method returned cannot be sent, or has not the rows that it should."""


class MixedOutputs(OutputError):
    """Calls that were run one after the other cannot be answered together."""


class ProtocolError(Exception):
    """The parent said what the child does not understand."""


def one_line(text: str) -> str:
    """Text as one line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_MESSAGE else line[: MAX_MESSAGE - 1] + "…"


def a(name: str) -> str:
    """A name with its article: an int, a uint8."""
    lower = name.lower()
    vowel = lower.startswith(("a", "e", "i", "o")) or (lower.startswith("un") and not lower.startswith("uni"))
    return f"{'an' if vowel else 'a'} {name}"


def what(value: Any) -> str:
    """What a value is, to begin a sentence with."""
    return "None" if value is None else a(type(value).__name__)


def _safely(tell: Callable[[BaseException], str], exc: BaseException, otherwise: str) -> str:
    """What tell says of an exception. The program's own code takes part in that, and
    whatever it does there must not be in the way of the report."""
    try:
        return tell(exc)
    except BaseException:  # SystemExit too
        return otherwise


def reason_of(exc: BaseException) -> str:
    """The reason that PROTOCOL.md has for an exception of a method."""
    return _safely(_reason, exc, "runner")


def _reason(exc: BaseException) -> str:
    if isinstance(exc, InputError):
        return "input"
    if isinstance(exc, Retryable):
        return "retryable"
    if isinstance(exc, OutputError):
        return "output"
    if isinstance(exc, ProtocolError):
        return "protocol"
    if is_out_of_memory(exc):
        return "memory"
    return _bentoml_reason(exc) or "runner"


def is_out_of_memory(exc: BaseException) -> bool:
    """Whether memory ran out, on the host or on a device: torch, CuPy and others
    name their error alike, and none of them needs to be imported to know it."""
    return any(cls.__name__ in ("MemoryError", "OutOfMemoryError") for cls in type(exc).__mro__)


def _bentoml_reason(exc: BaseException) -> Optional[str]:
    """The reason of an exception of BentoML, by its HTTP status."""
    if not any(c.__name__ == "BentoMLException" for c in type(exc).__mro__):
        return None
    status = getattr(exc, "error_code", None)
    if not isinstance(status, int):  # an HTTPStatus is one
        return None
    if 400 <= status < 500:
        return "input"
    return "retryable" if status == 503 else None


_SAY_ALL = (InputError, Retryable, OutputError, ProtocolError, SignatureError, ImportError)


def message_of(exc: BaseException) -> str:
    """One line that says what happened."""
    text = _safely(lambda exc: one_line(str(exc)), exc, "")
    if issubclass(type(exc), _SAY_ALL):  # isinstance would ask the exception
        return text or type(exc).__name__
    name = type(exc).__name__
    return f"{name}: {text}" if text else name


def failure(exc: BaseException, reason: Optional[str] = None) -> dict[str, str]:
    """The body of FAILED and ERROR."""
    body = {"reason": reason or reason_of(exc), "message": message_of(exc)}
    if not issubclass(type(exc), (SignatureError, MixedOutputs)):  # theirs are all ours
        body["traceback"] = _safely(_lines, exc, "") or _safely(_frames, exc, "")
    return body


def _lines(exc: BaseException) -> str:
    return "".join(traceback.format_exception(type(exc), exc, exc.__traceback__))[-MAX_TRACEBACK:]


def _frames(exc: BaseException) -> str:
    """The traceback without the exception, which cannot be told."""
    trace = BaseException.__dict__["__traceback__"].__get__(exc)
    return "".join(["Traceback (most recent call last):\n", *traceback.format_tb(trace)])[-MAX_TRACEBACK:]


def start_failure(exc: BaseException, reason: str) -> dict[str, str]:
    """The body of FAILED for what the program's own code raised: it says where."""
    body = failure(exc, reason)
    at = _safely(place_of, exc, "")
    if at:
        body["message"] += f" ({at})"
    return body


def place_of(exc: BaseException) -> str:
    """The file and the line of the program that an exception came through last, or
    nothing. A library's is told where no file of the program took part."""
    if isinstance(exc, SyntaxError) and exc.lineno:
        return ""  # its text has it
    own = os.path.dirname(os.path.abspath(__file__))
    standard = sysconfig.get_path("stdlib")
    at = library = ""
    for frame in traceback.extract_tb(exc.__traceback__):
        file = os.path.abspath(frame.filename)
        installed = "site-packages" in file or "dist-packages" in file
        if frame.filename.startswith("<") or _within(own, file):
            continue
        if _HERE and _within(_HERE, file) and not installed:
            at = f"{os.path.relpath(file, _HERE)}, line {frame.lineno}"
        elif installed or not _within(standard, file):
            library = f"{file}, line {frame.lineno}"
    return at or library


def _within(folder: str, file: str) -> bool:
    return file.startswith(os.path.join(folder, ""))
