"""Finds the class that is to be served."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from . import standin
from .errors import what
from .runnable import methods_of


def load(target: str) -> type:
    """The class of `my.module:Class`, from the working directory or wherever else
    Python finds modules. Raises ImportError, or what the module raises."""
    module_name, colon, name = target.partition(":")
    if not (module_name and colon and name):
        raise ImportError(f"{target!r} names no class: want my.module:Class")
    directory = os.getcwd()
    if directory not in sys.path:
        sys.path.insert(0, directory)
    standin.install()
    module = importlib.import_module(module_name)
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
        if found is None:
            raise ImportError(f"module {module_name!r} has no class {name!r}{_others(module)}")
    runnable = getattr(found, "runnable_class", None)
    if not isinstance(found, type) and isinstance(runnable, type):  # a bentoml.Runner
        raise ImportError(f"{target!r} is a runner: name its class, {module_name}:{runnable.__name__}")
    if not isinstance(found, type):
        raise ImportError(f"{target!r} is {what(found)}, not a class")
    return found


def _others(module: Any) -> str:
    """The classes of a module that could have been meant, as the rest of a sentence."""
    names = [
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and methods_of(value)
    ]
    return f", but {', '.join(names)}" if names else ""
