"""Served methods: their signatures, their arguments, their outputs."""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Optional

from .annotations import EMPTY, outputs_of, resolve, value_of
from .channel import Input
from .dtypes import Tensor
from .errors import InputError, OutputError, RowErrors, SignatureError, what
from .runnable import MethodConfig, methods_of
from .values import Value

if TYPE_CHECKING:
    from .eventloop import EventLoop

_NAME = re.compile(r"[a-z0-9]([-._a-z0-9]*[a-z0-9])?")
MAX_NAME = 63

_KINDS = (
    "np.ndarray, ekiben.Tensor(…), pandas.DataFrame, torch.Tensor, PIL.Image.Image, "
    "str, bytes, int, float, bool, dict or a list of these"
)


class Argument:
    """One argument of a method."""

    __slots__ = ("name", "value", "optional", "default", "keyword")

    def __init__(self, parameter: inspect.Parameter, value: Value) -> None:
        self.name = parameter.name
        self.value = value
        self.optional = parameter.default is not EMPTY
        self.default = parameter.default
        self.keyword = parameter.kind is inspect.Parameter.KEYWORD_ONLY

    def spec(self) -> dict[str, Any]:
        """The entry in the signature."""
        spec = self.value.spec(self.name)
        if self.optional:
            spec["optional"] = True
        return spec


class Method:
    """A method as it is served."""

    def __init__(self, cls: type, attribute: str, func: Callable[..., Any], config: Any) -> None:
        self.attribute = attribute
        self.name = attribute.lower().strip("_")
        self.batchable = bool(config.batchable)
        self._func = func
        self._call: Callable[..., Any] = func
        self.outputs: Optional[list[tuple[str, Value]]] = None
        try:
            self.batch_in, self.batch_out = _dims(config.batch_dim)
            parameters, returned = _parameters(func)
            spec_in, spec_out = _specs(config)
            declared = _named(spec_in, [p.name for p in parameters])
            self.inputs = [self._argument(p, declared.get(p.name, p.annotation), cls) for p in parameters]
            self._declare_outputs(returned if spec_out is None else spec_out, cls)
            self._check(func)
        except SignatureError as exc:
            raise SignatureError(f"method {attribute!r} of {cls.__name__}: {exc}") from None
        self._decoders = [(a, a.value.decode) for a in self.inputs]

    def _argument(self, parameter: inspect.Parameter, annotation: Any, cls: type) -> Argument:
        try:
            annotation = resolve(annotation, self._func, cls)
        except NameError as exc:
            raise SignatureError(
                f"the annotation of argument {parameter.name!r} cannot be read ({exc}): "
                "import what it names outside of TYPE_CHECKING, or leave it out"
            ) from None
        value = value_of(annotation, self.batchable)
        if value is None:
            raise SignatureError(
                f"argument {parameter.name!r} is declared as {_shown(annotation)}, which cannot be made of what "
                f"callers send: declare {_KINDS}, or nothing"
            )
        fault = value.batch_fault(self.batch_in) if self.batchable else None
        if fault:
            raise SignatureError(f"argument {parameter.name!r} {fault}")
        return Argument(parameter, value)

    def _declare_outputs(self, annotation: Any, cls: type) -> None:
        names: Optional[list[str]] = None
        if isinstance(annotation, dict):
            names, annotation = list(annotation), tuple(annotation.values())
        if isinstance(annotation, tuple):  # output_spec of several
            found = [value_of(resolve(item, self._func, cls), self.batchable) for item in annotation]
            if not found or None in found:
                raise SignatureError("output_spec names a type that ekiben does not know")
            values: Optional[list[Value]] = [value for value in found if value is not None]
        else:
            try:
                values = outputs_of(resolve(annotation, self._func, cls), self.batchable)
            except NameError:
                values = None  # it says nothing that can be relied on
        if values is None:
            return
        self.outputs = list(zip(names or output_names(len(values)), values))
        for name, value in self.outputs:
            fault = value.batch_fault(self.batch_out) if self.batchable else None
            if fault:
                raise SignatureError(f"output {name!r} {fault}")

    def _check(self, func: Callable[..., Any]) -> None:
        if len(self.name) > MAX_NAME or not _NAME.fullmatch(self.name):
            raise SignatureError(
                f"it would be served as {self.name!r}, want letters, digits and _ - . between them: "
                "rename it, or add it with Runnable.add_method under another name"
            )
        if inspect.isasyncgenfunction(func):
            raise SignatureError("asynchronous generators cannot be served: return a list")
        if self.batchable and not self.inputs:
            raise SignatureError(
                "it has no arguments, so there is nothing to batch: set batchable=False or give it an argument"
            )

    def signature(self) -> dict[str, Any]:
        """The signature as READY has it."""
        signature: dict[str, Any] = {"name": self.name, "batchable": self.batchable}
        if self.batchable:
            signature["batch_dim"] = {"in": self.batch_in, "out": self.batch_out}
        signature["inputs"] = [argument.spec() for argument in self.inputs]
        if self.outputs is not None:
            signature["outputs"] = [value.spec(name) for name, value in self.outputs]
        return signature

    @property
    def asynchronous(self) -> bool:
        """Whether it is to be waited for in an event loop."""
        return inspect.iscoroutinefunction(inspect.unwrap(self._func))

    def bind(self, instance: Any, loop: Optional[EventLoop] = None) -> None:
        """Makes calls go to an instance; those that are to be waited for, in the loop."""
        get = getattr(self._func, "__get__", None)
        self._call = get(instance, type(instance)) if get else functools.partial(self._func, instance)
        if loop is not None and self.asynchronous:
            self._call = functools.partial(loop.call, self._call)

    def run(self, inputs: list[Input]) -> Any:
        """Runs the method on the arguments of a call."""
        if len(inputs) != len(self._decoders):
            raise InputError(f"{self.name} takes {len(self._decoders)} arguments, not {len(inputs)}")
        args = []
        keywords = {}
        for raw, (argument, decode) in zip(inputs, self._decoders):
            if raw is None:
                if not argument.optional:
                    raise InputError(f"argument {argument.name!r} is missing")
                value = argument.default
            else:
                try:
                    value = decode(raw)
                except InputError as exc:
                    raise InputError(f"argument {argument.name!r} {exc}") from exc.__cause__
            if argument.keyword:
                keywords[argument.name] = value
            else:
                args.append(value)
        return collected(self._call(*args, **keywords))

    def execute(self, inputs: list[Input], rows: int) -> tuple[list[Tensor], Mapping[int, BaseException]]:
        """The outputs for the arguments, and the rows that failed. Where no row has
        outputs, all fail."""
        try:
            return self.encode(self.run(inputs), rows), {}
        except RowErrors as failed:
            errors = failed.errors
            for row in errors:
                if not 0 <= row < rows:
                    raise IndexError(f"RowErrors has row {row} of {rows}") from failed
            if failed.outputs is None and errors:
                if len(errors) == rows:
                    raise errors[min(errors)] from None
                raise ValueError("RowErrors came without the outputs of the other rows") from failed
            return self.encode(collected(failed.outputs), rows), errors

    def encode(self, returned: Any, rows: int) -> list[Tensor]:
        """The tensors of what the method returned."""
        values = returned if isinstance(returned, tuple) else (returned,)
        count = rows if self.batchable else None
        outputs = []
        for value, (name, kind) in zip(values, self._kinds(values)):
            try:
                tensor = kind.encode(value, count)
                if count is not None:
                    self._check_rows(tensor.shape, rows)
            except OutputError as exc:
                raise OutputError(f"output {name!r} of {self.name}: {exc}") from exc.__cause__
            except (TypeError, ValueError, OverflowError, AttributeError) as exc:
                raise OutputError(
                    f"output {name!r} of {self.name} is {what(value)} that cannot be sent: {exc}"
                ) from exc
            outputs.append(tensor)
        return outputs

    def _kinds(self, values: tuple[Any, ...]) -> list[tuple[str, Value]]:
        """The name and the kind of each output."""
        if self.outputs is None:
            if not values:
                raise OutputError(f"{self.name} returned an empty tuple, want at least one output")
            return _ONE if len(values) == 1 else [(name, _UNDECLARED) for name in output_names(len(values))]
        if len(values) != len(self.outputs):
            raise OutputError(f"{self.name} returned {len(values)} outputs, {len(self.outputs)} are declared")
        return self.outputs

    def _check_rows(self, shape: tuple[int, ...], rows: int) -> None:
        if self.batch_out >= len(shape):
            raise OutputError(
                f"has shape {list(shape)}, which has no dimension {self.batch_out} to count the {rows} rows"
            )
        if shape[self.batch_out] != rows:
            raise OutputError(f"has {shape[self.batch_out]} rows for {rows} rows of input")


_UNDECLARED = Value()
_STARS: dict[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
_ONE = [("result", _UNDECLARED)]


def output_names(count: int) -> list[str]:
    """The names of outputs that have none."""
    return ["result"] if count == 1 else [f"result_{i}" for i in range(count)]


def collected(returned: Any) -> Any:
    """What a method returned, with generators run to their end: what they raise is
    raised by the method."""
    if isinstance(returned, tuple) and any(hasattr(value, "__next__") for value in returned):
        return tuple(map(collected, returned))
    return list(returned) if hasattr(returned, "__next__") else returned


def served(cls: type) -> list[Method]:
    """The served methods of a class, in the order in which they are defined."""
    methods = [Method(cls, name, func, config) for name, (func, config) in _marked(cls)]
    if not methods:
        raise SignatureError(
            f"class {cls.__name__} has no methods: mark those that are to be served with @ekiben.Runnable.method"
        )
    names: dict[str, str] = {}
    for method in methods:
        other = names.setdefault(method.name, method.attribute)
        if other != method.attribute:
            raise SignatureError(
                f"methods {other!r} and {method.attribute!r} of {cls.__name__} "
                f"would both be served as {method.name!r}: rename one"
            )
        if method.name != method.attribute:
            print(f"method {method.attribute} is served as {method.name}", file=sys.stderr)
    return methods


def _marked(cls: type) -> Iterator[tuple[str, tuple[Callable[..., Any], Any]]]:
    try:
        yield from methods_of(cls).items()
    except (AttributeError, TypeError) as exc:
        raise SignatureError(f"the methods of {cls.__name__} cannot be read: {exc}") from exc


def _parameters(func: Callable[..., Any]) -> tuple[list[inspect.Parameter], Any]:
    """The parameters but for self, and the return annotation."""
    try:
        signature = inspect.signature(func)
    except (TypeError, ValueError) as exc:
        raise SignatureError(f"its arguments cannot be read: {exc}") from None
    parameters = list(signature.parameters.values())
    if not parameters or parameters[0].kind is inspect.Parameter.KEYWORD_ONLY:
        raise SignatureError("it takes no self")
    for parameter in parameters:
        stars = _STARS.get(parameter.kind)
        if stars:
            raise SignatureError(
                f"{stars}{parameter.name} could be anything: name the arguments, "
                "so that calls can be checked before they wait"
            )
    return parameters[1:], signature.return_annotation


def _dims(batch_dim: Any) -> tuple[int, int]:
    """The dimensions that count rows, of the inputs and of the outputs."""
    dims = batch_dim if isinstance(batch_dim, (tuple, list)) else (batch_dim, batch_dim)
    if len(dims) != 2 or not all(isinstance(dim, int) and dim >= 0 for dim in dims):
        raise SignatureError(f"batch_dim is {batch_dim!r}, want a dimension counted from 0, or two: (in, out)")
    return dims[0], dims[1]


def _specs(config: Any) -> tuple[Any, Any]:
    """input_spec and output_spec. BentoML has them too, reserved for future use."""
    if not isinstance(config, MethodConfig):
        return None, None
    return config.input_spec, config.output_spec


def _named(spec: Any, names: list[str]) -> dict[str, Any]:
    """input_spec by the names of the arguments."""
    if spec is None:
        return {}
    if isinstance(spec, dict):
        unknown = [str(name) for name in spec if name not in names]
        if unknown:
            raise SignatureError(f"input_spec has {', '.join(unknown)}, which is no argument")
        return spec
    specs = spec if isinstance(spec, (tuple, list)) else (spec,)
    if len(specs) != len(names):
        raise SignatureError(f"input_spec has {len(specs)} entries for {len(names)} arguments")
    return dict(zip(names, specs))


def _shown(annotation: Any) -> str:
    if isinstance(annotation, type):
        return f"{annotation.__module__}.{annotation.__qualname__}"
    return str(annotation)
