"""Shared memory: data of 64 KiB and more is not copied through the socket."""

from __future__ import annotations

import gc
import mmap
import os
import sys
from typing import Any, Optional

import numpy as np

from .errors import ProtocolError
from .keeping import keep
from .wire import ALIGNMENT

# A region grows by at least a quarter, in steps of a megabyte.
STEP = 1 << 20


class Region:
    """One region. It is mapped anew when it has grown; arrays that still view an
    older mapping keep that one alive."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._size = 0
        self._memory: Optional[mmap.mmap] = None
        self._given = 0  # bytes of a call's arguments
        self._idle = 0  # references to the mapping while nobody views it

    def inputs(self, end: int) -> mmap.mmap:
        """The memory of a call's arguments, which go up to end."""
        self._given = end
        return self.memory(end)

    def settle(self) -> None:
        """What is still viewed of the arguments given becomes the viewer's, before the
        parent writes to the region again."""
        given, self._given = self._given, 0
        if not given or self._references() <= self._idle:
            return
        gc.collect(1)  # it may be a cycle that was left behind
        if self._memory is not None and self._references() > self._idle:
            keep(self._memory, given)
            self._memory = None

    def _references(self) -> int:
        return sys.getrefcount(self._memory)

    def memory(self, end: int) -> mmap.mmap:
        """The mapping, of end bytes or more, which the parent says there are."""
        if self._memory is None or end > self._size:
            size = os.fstat(self._fd).st_size
            if end > size:
                raise ProtocolError(f"a tensor ends at {end} in a region of {size} bytes")
            return self._map(size)
        return self._memory

    def room(self, end: int) -> mmap.mmap:
        """The mapping, of end bytes or more; the region is made longer if it must."""
        if self._memory is None or end > self._size:
            size = os.fstat(self._fd).st_size
            if end > size:
                size = -(-max(end, size + size // 4) // STEP) * STEP
                try:
                    os.ftruncate(self._fd, size)
                except OSError as exc:
                    raise MemoryError(f"no room for outputs of {end} bytes: {exc}") from exc
            return self._map(size)
        return self._memory

    def _map(self, size: int) -> mmap.mmap:
        try:
            self._memory = mmap.mmap(self._fd, size)  # shared, readable and writable
        except OSError as exc:
            raise MemoryError(f"cannot map {size} bytes of shared memory: {exc}") from exc
        self._size = size
        self._idle = self._references()
        return self._memory


class Regions:
    """The region of inputs and those of outputs, which have the numbers of slots."""

    def __init__(self, fds: list[int]) -> None:
        self.inputs = Region(fds[0]) if fds else None
        self._outputs = [Region(fd) for fd in fds[1:]]

    def output(self, slot: int) -> Region:
        """The region of a slot."""
        if slot >= len(self._outputs):
            raise ProtocolError(f"there is no slot {slot}, only {len(self._outputs)}")
        return self._outputs[slot]


def align(offset: int) -> int:
    """The first offset from this one on at which data may begin."""
    return -(-offset // ALIGNMENT) * ALIGNMENT


def write(memory: mmap.mmap, offset: int, data: Any) -> None:
    """Copies an array, of any layout and byte order, or bytes into a region."""
    if isinstance(data, np.ndarray):
        dtype = data.dtype.newbyteorder("<")
        np.copyto(np.ndarray(data.shape, dtype, memory, offset), data)
    else:
        memory[offset : offset + len(data)] = data
