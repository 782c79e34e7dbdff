"""Keeping: memory that somebody still views when the other side is about to write
to it becomes theirs alone, where it is, with what it has.

Linux can put other memory in the place of a mapping at once. Nobody who reads it
sees a difference.
"""

from __future__ import annotations

import contextlib
import mmap
from typing import Any

import numpy as np

_MAY_MOVE, _FIXED = 1, 2

_libc: Any = None
with contextlib.suppress(ImportError, OSError, AttributeError, TypeError):
    import ctypes  # some interpreters are built without it

    _FAILED = ctypes.c_void_p(-1).value
    _libc = ctypes.CDLL(None, use_errno=True)
    _libc.mremap.restype = _libc.mmap.restype = ctypes.c_void_p
    _libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p]
    _libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    _libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

POSSIBLE = hasattr(_libc, "mremap")
"""Whether this system can do it. Where it cannot, arguments are copies."""


def keep(memory: mmap.mmap, size: int) -> None:
    """Makes the first size bytes of a shared mapping private, with what they have."""
    size = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
    place = np.frombuffer(memory, np.uint8).ctypes.data
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    private = _libc.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
    if private == _FAILED:
        raise MemoryError(f"cannot map {size} bytes for arguments that are kept")
    ctypes.memmove(private, place, size)
    if _libc.mremap(private, size, size, _MAY_MOVE | _FIXED, place) == _FAILED:
        _libc.munmap(private, size)
        raise MemoryError(f"cannot keep {size} bytes of arguments")
