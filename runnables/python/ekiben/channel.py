"""The channel to the parent: one frame at a time, both ways."""

from __future__ import annotations

import json
import socket
import sys
from typing import Any, Optional, Union

import numpy as np

from . import wire
from .dtypes import BYTES, NUMPY, Tensor
from .errors import OutputError, ProtocolError, failure
from .keeping import POSSIBLE
from .regions import Regions, align, write

# Frames up to this size are sent with one system call.
JOINED = 256 << 10

# How numpy calls the byte order that numbers do not have here.
FOREIGN_ORDER = ">" if sys.byteorder == "little" else "="

Input = Union[None, "np.ndarray[Any, Any]", "Items"]
"""An argument as it arrived: left out, an array, or BYTES. bfloat16 is an array of
uint16 whose type is known from the header."""


class Items:
    """The elements of a BYTES tensor, in row-major order, and its shape. values are
    those of its documents, once somebody has read them."""

    __slots__ = ("items", "shape", "values")

    def __init__(self, items: list[bytes], shape: tuple[int, ...]) -> None:
        self.items = items
        self.shape = shape
        self.values: Optional[list[Any]] = None


class Call:
    """One call of a method, or several that arrived as one."""

    __slots__ = ("id", "method", "rows", "slot", "inputs", "tail")

    def __init__(self, call: int, method: int, rows: int, slot: int, inputs: list[Input], tail: bytes = b"") -> None:
        self.id = call
        self.method = method
        self.rows = rows
        self.slot = slot
        self.inputs = inputs
        self.tail = tail

    def sizes(self) -> list[int]:
        """How many rows each call has, where there are several."""
        try:
            sizes: list[int] = json.loads(self.tail)
            if sum(sizes) == self.rows and min(sizes) >= 0:
                return sizes
        except (TypeError, ValueError):
            pass
        raise ProtocolError(f"a call of {self.rows} rows has the tail {self.tail[:100]!r}")


class UnreadableError(Exception):
    """There is no memory for a call, which was passed over."""

    def __init__(self, call: int, cause: MemoryError) -> None:
        super().__init__(call)
        self.call = call
        self.cause = cause


class BFloat16(np.ndarray):
    """The bits of bfloat16 numbers, which numpy does not know, as uint16."""


class Channel:
    """The socket and the regions. Not safe for several threads."""

    def __init__(self, connection: socket.socket, regions: Regions) -> None:
        self._socket = connection
        self._regions = regions
        self._buffer = bytearray(128 << 10)
        self._view = memoryview(self._buffer)

    def _receive(self) -> Optional[tuple[int, int, int]]:
        """Reads one frame into the buffer: its end, kind and id, or None at the end.

        The parent waits for an answer before it says more, so what arrives at once
        is one frame or a part of it.
        """
        have = self._socket.recv_into(self._buffer)
        if have == 0:
            return None
        while have < wire.HEADER.size:
            have = self._more(have)
        length, kind, call = wire.parse_header(self._buffer)
        end = wire.HEADER.size + length
        if have > end:
            raise ProtocolError("a second frame arrived before the first was answered")
        if end > len(self._buffer):
            try:
                self._grow(have, end)
            except MemoryError as exc:
                self._pass_over(end - have)
                raise UnreadableError(call, exc) from exc
        while have < end:
            have = self._more(have)
        return end, kind, call

    def _more(self, have: int, most: int = 0) -> int:
        """Reads on, behind what the buffer has: how much it has then."""
        n = self._socket.recv_into(self._view[have:], most)
        if n == 0:
            raise ProtocolError("the channel ended within a frame")
        return have + n

    def _pass_over(self, size: int) -> None:
        """Reads the rest of a frame that there is no room for."""
        while size:
            size -= self._more(0, min(size, len(self._buffer)))

    def _grow(self, have: int, size: int) -> None:
        """Makes a larger buffer."""
        buffer = bytearray(size)
        buffer[:have] = self._view[:have]
        self._buffer = buffer
        self._view = memoryview(buffer)

    def start(self) -> Optional[dict[str, Any]]:
        """The START frame, or None where the parent is gone."""
        frame = self._receive()
        if frame is None:
            return None
        end, kind, _ = frame
        if kind != wire.START:
            raise ProtocolError(f"a frame of kind {kind} came before START")
        try:
            message = json.loads(bytes(self._view[wire.HEADER.size : end]))
        except ValueError as exc:
            raise ProtocolError(f"START is no JSON: {exc}") from exc
        if not isinstance(message, dict) or message.get("protocol") != wire.PROTOCOL:
            raise ProtocolError(f"this child speaks version {wire.PROTOCOL} of the protocol only")
        return message

    def call(self) -> Optional[Call]:
        """The next call, or None where the parent is gone. Its large arrays are views
        of memory that the parent writes to once the call was answered, but not what is
        still viewed then. Calls that there is no memory for are answered here."""
        while True:
            try:
                frame = self._receive()
                return None if frame is None else self._parse(*frame)
            except UnreadableError as exc:
                number, body = exc.call, failure(exc.cause)
            self.send_json(wire.ERROR, number, body)

    def _parse(self, end: int, kind: int, number: int) -> Call:
        """The call of a frame that fills the buffer up to end."""
        if kind != wire.CALL:
            raise ProtocolError(f"a frame of kind {kind} came in place of a CALL")
        try:
            return self._call(end, number)
        except MemoryError as exc:
            raise UnreadableError(number, exc) from exc

    def _call(self, end: int, number: int) -> Call:
        method, rows, slot, tensors, position = wire.parse_payload(self._buffer, end)
        # Mapped once, so that all arrays view the same mapping.
        memory = self._inputs(max((offset + size for _, _, flags, offset, size in tensors if flags), default=0))
        inputs: list[Input] = []
        for code, shape, flags, offset, size in tensors:
            if not flags:
                inputs.append(copied(code, shape, self._buffer, position, size))
                position += size
            elif flags & wire.LEFT_OUT:
                inputs.append(None)
            else:
                make = view if POSSIBLE else copied
                inputs.append(make(code, shape, memory, offset, size))
        return Call(number, method, rows, slot, inputs, bytes(self._view[position:end]))

    def _inputs(self, end: int) -> Any:
        """The region of inputs, of end bytes or more."""
        if not end:
            return b""
        if self._regions.inputs is None:
            raise ProtocolError("a tensor is in a region, and there is none")
        return self._regions.inputs.inputs(end)

    def send_json(self, kind: int, call: int, message: dict[str, Any]) -> None:
        """Sends READY, FAILED or ERROR."""
        self.send([wire.pack_json(kind, call, message)])

    def send(self, frame: list[bytes]) -> None:
        """Sends a frame in parts. What anybody still has of a call's arguments when it
        is answered stays what it is."""
        if self._regions.inputs is not None:
            self._regions.inputs.settle()
        for part in frame:
            self._socket.sendall(part)

    def result(self, call: Call, outputs: list[Tensor], tail: bytes = b"") -> list[bytes]:
        """The answer to a call, in parts. What is large goes into the region of the
        call's slot."""
        offsets: dict[int, int] = {}
        if call.slot != wire.NO_SLOT:
            for output in outputs:
                if output.size >= wire.REGION_FROM:
                    offsets = self._write_region(call.slot, outputs)
                    break
        headers: list[wire.TensorHeader] = []
        inline: list[Any] = []
        size = 0
        for i, (code, shape, data, nbytes) in enumerate(outputs):
            if len(shape) > wire.MAX_RANK:
                raise OutputError(f"output {i} has {len(shape)} dimensions, at most {wire.MAX_RANK}")
            if i in offsets:
                headers.append((code, shape, wire.IN_REGION, offsets[i], nbytes))
                continue
            headers.append((code, shape, 0, 0, nbytes))
            inline.append(_bytes(data))
            size += nbytes
        slot = call.slot if offsets else wire.NO_SLOT
        try:
            head = wire.pack_payload(wire.RESULT, call.id, (0, call.rows, slot), headers, size, tail)
        except ValueError as exc:
            raise OutputError(f"the outputs cannot be sent: {exc}") from exc
        frame = [head, *inline, tail]
        return [b"".join(frame)] if size <= JOINED else frame

    def _write_region(self, slot: int, outputs: list[Tensor]) -> dict[int, int]:
        """Writes the large outputs one after the other: the offset of each."""
        offsets = {}
        end = 0
        for i, out in enumerate(outputs):
            if out.size >= wire.REGION_FROM:
                offsets[i] = align(end)
                end = offsets[i] + out.size
        memory = self._regions.output(slot).room(end)
        for i, offset in offsets.items():
            write(memory, offset, outputs[i].data)
        return offsets


def _bytes(data: Any) -> Any:
    """Data as it goes over the wire: row-major, little-endian."""
    if not isinstance(data, np.ndarray):
        return data
    if data.dtype.byteorder == FOREIGN_ORDER:
        data = data.byteswap()
    return data.tobytes()


def view(code: int, shape: tuple[int, ...], memory: Any, offset: int, size: int) -> Input:
    """A tensor as an array on the memory that it arrived in, or its elements."""
    if code == BYTES:
        return Items(items_of(memory, offset, size, shape), shape)
    dtype = NUMPY.get(code)
    try:
        if dtype is None:
            array: np.ndarray[Any, Any] = BFloat16(shape, np.uint16, memory, offset)
        else:
            array = np.ndarray(shape, dtype, memory, offset)
    except (TypeError, ValueError, OverflowError) as exc:
        raise ProtocolError(f"a tensor of shape {list(shape)} is not there: {exc}") from exc
    if array.nbytes != size:
        raise ProtocolError(f"a tensor of shape {list(shape)} has {size} bytes, not {array.nbytes}")
    return array


def copied(code: int, shape: tuple[int, ...], memory: Any, offset: int, size: int) -> Input:
    """A tensor as an array that has its own memory, or its elements."""
    if code == BYTES:
        return view(code, shape, memory, offset, size)
    return view(code, shape, bytearray(memory[offset : offset + size]), 0, size)


def items_of(memory: Any, offset: int, size: int, shape: tuple[int, ...]) -> list[bytes]:
    """The elements of BYTES, each after its length."""
    data = bytes(memory[offset : offset + size])
    items: list[bytes] = []
    position = 0
    while position < size:
        begin = position + 4
        position = begin + int.from_bytes(data[position:begin], "little")
        items.append(data[begin:position])
    count = 1
    for dimension in shape:
        count *= dimension
    if position != size or count != len(items):
        raise ProtocolError(f"a BYTES tensor of shape {list(shape)} has {len(items)} elements")
    return items
