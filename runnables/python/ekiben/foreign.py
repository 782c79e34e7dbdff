"""Values of libraries that may not be there: told by names, imported when needed."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np

from .dtypes import BF16, Tensor
from .errors import InputError

PNG_MODES = ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA")


def is_class(cls: Any, module: str, name: str) -> bool:
    """Whether a class is, or comes from, the one that a library has by that name."""
    return any(
        base.__name__ == name and base.__module__.split(".")[0] == module for base in getattr(cls, "__mro__", ())
    )


def is_frame(value: Any) -> bool:
    """Whether a value is a data frame of pandas."""
    return is_class(type(value), "pandas", "DataFrame")


def is_series(value: Any) -> bool:
    """Whether a value is a series of pandas."""
    return is_class(type(value), "pandas", "Series")


def is_torch(value: Any) -> bool:
    """Whether a value is a tensor of PyTorch."""
    return is_class(type(value), "torch", "Tensor")


def is_image(value: Any) -> bool:
    """Whether a value is a PIL image."""
    return is_class(type(value), "PIL", "Image")


def from_torch(value: Any) -> Any:
    """The memory of a tensor of PyTorch, on the host: an array, or a Tensor for
    bfloat16, which numpy does not know."""
    value = value.detach().cpu()
    if str(value.dtype) == "torch.bfloat16":
        torch = sys.modules["torch"]
        bits = value.contiguous().view(torch.int16).numpy().view(np.uint16)
        return Tensor(BF16, tuple(bits.shape), bits, bits.nbytes)
    return value.resolve_conj().resolve_neg().numpy()


def to_torch(array: np.ndarray[Any, Any], bfloat16: bool) -> Any:
    """A tensor of PyTorch on the same memory; array has the bits of a bfloat16."""
    import torch

    try:
        if bfloat16:
            return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
        return torch.from_numpy(array)
    except TypeError as exc:
        raise InputError(f"cannot be a torch.Tensor: {exc}") from exc


def to_jax(array: np.ndarray[Any, Any]) -> Any:
    """An array of JAX, which is a copy: JAX arrays never change."""
    import jax.numpy

    return jax.numpy.array(array)


def to_tensorflow(array: np.ndarray[Any, Any]) -> Any:
    """A tensor of TensorFlow, which is a copy: its tensors never change."""
    import tensorflow

    return tensorflow.constant(array)


def load_image(data: bytes) -> Any:
    """The PIL image that is encoded in data."""
    from PIL import Image, UnidentifiedImageError

    try:
        picture = Image.open(io.BytesIO(data))
        picture.load()
    except UnidentifiedImageError as exc:  # its text is that of an object in memory
        raise InputError("is no image of a format that Pillow knows") from exc
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as exc:
        raise InputError(f"is no image: {exc}") from exc
    return picture


def dump_image(value: Any) -> bytes:
    """A PIL image as PNG."""
    if value.mode not in PNG_MODES:
        value = value.convert("RGB")
    out = io.BytesIO()
    value.save(out, "PNG", compress_level=1)
    return out.getvalue()
