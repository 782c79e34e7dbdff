"""Frames, as PROTOCOL.md draws them."""

from __future__ import annotations

import json
import struct
from typing import Any

from .dtypes import NAMES
from .errors import ProtocolError

PROTOCOL = 1

START, READY, FAILED, CALL, RESULT, ERROR = 1, 2, 3, 4, 5, 6

MAX_FRAME = 1 << 30
MAX_RANK = 8  # that of tensor.MaxRank
NO_SLOT = (1 << 32) - 1
IN_REGION, LEFT_OUT = 1, 2

# Data of this many bytes goes through a region if there is one.
REGION_FROM = 64 << 10
ALIGNMENT = 64

HEADER = struct.Struct("<IBBHQ")  # length, kind, flags, reserved, id
PAYLOAD = struct.Struct("<HHIII")  # method, count, rows, slot, tail
TENSOR = struct.Struct("<BBHIQQ")  # dtype, rank, flags, reserved, offset, size
DIMENSIONS = tuple(struct.Struct(f"<{rank}Q") for rank in range(MAX_RANK + 1))

# The same, of a frame and of a tensor of each rank, at once.
_HEAD = struct.Struct(HEADER.format + PAYLOAD.format[1:])
_TENSORS = tuple(struct.Struct(f"{TENSOR.format}{rank}Q") for rank in range(MAX_RANK + 1))


TensorHeader = tuple[int, tuple[int, ...], int, int, int]
"""The data type, shape, flags, offset and size of a tensor."""

Payload = tuple[int, int, int, list[TensorHeader], int]
"""The method, rows, slot and tensors of a CALL or RESULT, and where in its frame
the data in line begins, which the tail follows."""


def parse_header(buffer: Any) -> tuple[int, int, int]:
    """The length, kind and id of the frame that begins the buffer."""
    length, kind, flags, reserved, call = HEADER.unpack_from(buffer)
    if length > MAX_FRAME:
        raise ProtocolError(f"a frame has {length} bytes, at most {MAX_FRAME}")
    if flags or reserved:
        raise ProtocolError(f"a frame of kind {kind} has bits set that are reserved")
    if not START <= kind <= ERROR:
        raise ProtocolError(f"there is no frame of kind {kind}")
    return length, kind, call


def parse_payload(buffer: Any, end: int) -> Payload:
    """The body of the CALL or RESULT that fills the buffer up to end."""
    position = HEADER.size + PAYLOAD.size
    if end < position:
        raise ProtocolError(f"a call has {end - HEADER.size} bytes, at least {PAYLOAD.size}")
    method, count, rows, slot, tail = PAYLOAD.unpack_from(buffer, HEADER.size)
    tensors: list[TensorHeader] = []
    inline = 0
    for _ in range(count):
        if position + TENSOR.size > end:
            raise ProtocolError("a tensor's header goes beyond its frame")
        code, rank, flags, reserved, offset, size = TENSOR.unpack_from(buffer, position)
        position += TENSOR.size
        if reserved or flags & ~(IN_REGION | LEFT_OUT):
            raise ProtocolError("a tensor has bits set that are reserved")
        if rank > MAX_RANK or position + 8 * rank > end:
            raise ProtocolError(f"a tensor of rank {rank} goes beyond its frame")
        shape = DIMENSIONS[rank].unpack_from(buffer, position)
        position += 8 * rank
        if flags & LEFT_OUT:
            if flags != LEFT_OUT or code or rank or offset or size:
                raise ProtocolError("an argument is left out and has data")
        elif code not in NAMES:
            raise ProtocolError(f"a tensor has data type {code}")
        elif not flags & IN_REGION:
            inline += size
            if offset:
                raise ProtocolError("a tensor in line has an offset")
        elif offset % ALIGNMENT:
            raise ProtocolError(f"offset {offset} is no multiple of {ALIGNMENT}")
        tensors.append((code, shape, flags, offset, size))
    if position + inline + tail != end:
        raise ProtocolError(f"a call has {end - position} bytes of data, its tensors and tail {inline + tail}")
    return method, rows, slot, tensors, position


def pack_payload(
    kind: int, call: int, payload: tuple[int, int, int], tensors: list[TensorHeader], data: int, tail: bytes
) -> bytes:
    """Everything of a CALL or RESULT before its data in line, of data bytes.

    payload is the method, the rows and the slot.
    """
    method, rows, slot = payload
    parts = [b""]
    length = PAYLOAD.size + data + len(tail)
    for code, shape, flags, offset, size in tensors:
        rank = len(shape)
        length += TENSOR.size + 8 * rank
        parts.append(_TENSORS[rank].pack(code, rank, flags, 0, offset, size, *shape))
    if length > MAX_FRAME:
        raise ValueError(f"a frame of {length} bytes is too large, at most {MAX_FRAME}")
    parts[0] = _HEAD.pack(length, kind, 0, 0, call, method, len(tensors), rows, slot, len(tail))
    return b"".join(parts)


def pack_json(kind: int, call: int, document: dict[str, Any]) -> bytes:
    """A frame whose body is JSON."""
    body = json.dumps(document, separators=(",", ":")).encode()
    return HEADER.pack(len(body), kind, 0, 0, call) + body
