"""The inputs and output of a function: one field for each parameter that can be passed by keyword."""

from __future__ import annotations

import inspect
import typing
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args, get_origin

import typing_extensions
from typing_extensions import is_typeddict

from upnext.annotations import awaited, context_class
from upnext.context import Context
from upnext.default_markers import refuse_marker
from upnext.errors import ConfigError, PayloadError, PayloadProblem
from upnext.formerly import former_names
from upnext.guarded_imports import type_hints
from upnext.names import named
from upnext.payload.codec import Codec
from upnext.payload.results import is_nothing, result_codec
from upnext.payload.typed_dicts import further_items, typed_dict_fields
from upnext.payload.wrappers import parameters_of
from upnext.provide import Provide, check_providers, provided_by

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

_UNPACKS = (typing.Unpack, typing_extensions.Unpack)  # two objects before Python 3.12
_BY_KEYWORD = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Signature:
    """The payload that a handler or task takes.

    Args:
        function: The user's function; it is read, never changed.
        subject: The event's or task's name, for messages.
        handler: The handler's or task's own name, for messages.

    Raises:
        ConfigError: If it has a parameter that no payload can fill, or does not tell its parameters.
    """

    def __init__(self, function: Callable[..., object], subject: str, handler: str) -> None:
        self._function = function
        self._subject = subject
        self._handler = handler
        try:
            self.parameters: Mapping[str, inspect.Parameter] = parameters_of(function)
        except (TypeError, ValueError) as error:  # a classmethod object; a C function without a signature
            msg = f"{named(function)} cannot be a handler: {error}. Decorate a function (def or async def)."
            raise ConfigError(msg) from error
        for parameter in self.parameters.values():
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
                star = "*" if parameter.kind is parameter.VAR_POSITIONAL else ""
                msg = (
                    f"Parameter {star}{parameter.name} of {handler!r} cannot be filled: payloads are passed by "
                    "keyword. Take it by keyword, or as **kwargs."
                )
                raise ConfigError(msg)
            if _is_certainly_a_field(parameter.annotation):
                refuse_marker(parameter, handler)

    @cached_property
    def _annotations(self) -> dict[str, Any]:
        with self._resolving():
            return type_hints(inspect.unwrap(self._function))

    @contextmanager
    def _resolving(self) -> Generator[None]:
        try:
            yield
        except NameError as error:
            msg = (
                f"An annotation of {self._handler!r} cannot be resolved: {error}. Import the name where the worker "
                "runs, not only under TYPE_CHECKING."
            )
            raise ConfigError(msg) from error
        except Exception as error:  # a string annotation is code, which may raise anything
            raise ConfigError(f"An annotation of {self._handler!r} cannot be resolved: {error}") from error

    @cached_property
    def context_parameters(self) -> dict[str, type[Context]]:
        """The parameters that receive the `Context`, and the class that each of them asks for."""
        asked = {name: context_class(self._annotations.get(name), Context) for name in self.parameters}
        return {name: kind for name, kind in asked.items() if kind is not None}

    @cached_property
    def provided(self) -> dict[str, Provide]:
        """The provided parameters and their providers."""
        asked = {name: provided_by(self._annotations.get(name)) for name in self.parameters}
        return {
            name: provide
            for name, provide in asked.items()
            if provide is not None and self.parameters[name].kind in _BY_KEYWORD
        }

    def inject(self, context: Context) -> dict[str, Context]:
        """Return the values of these parameters; a subclass of Context is built from the job's context."""
        return {
            name: context if kind is Context else kind(**vars(context))
            for name, kind in self.context_parameters.items()
        }

    @cached_property
    def fields(self) -> dict[str, tuple[Any, bool]]:
        """Field name -> (annotation, whether it is required).

        Raises:
            ConfigError: If the default of one describes a field and is not a value.
        """
        fields: dict[str, tuple[Any, bool]] = {
            name: (self._annotations.get(name, Any), parameter.default is parameter.empty)
            for name, parameter in self.parameters.items()
            if parameter.kind in _BY_KEYWORD and name not in self.context_parameters and name not in self.provided
        }
        for name in fields:
            refuse_marker(self.parameters[name], self._handler)
        if self._unpacked is None:
            return fields
        with self._resolving():
            return fields | typed_dict_fields(self._unpacked)

    @cached_property
    def extras(self) -> Any:
        """The annotation of `**kwargs`, Any without one, None if further fields are refused."""
        for parameter in self.parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                if self._unpacked is None:
                    return self._annotations.get(parameter.name, Any)
                with self._resolving():
                    return further_items(self._unpacked)
        return None

    @cached_property
    def _unpacked(self) -> Any:
        for parameter in self.parameters.values():
            hint = self._annotations.get(parameter.name)
            if parameter.kind is parameter.VAR_KEYWORD and get_origin(hint) in _UNPACKS:
                (typed_dict,) = get_args(hint)
                return typed_dict if is_typeddict(get_origin(typed_dict) or typed_dict) else None
        return None

    @cached_property
    def codec(self) -> Codec:
        """The codec of its payload."""
        formerly = former_names(self.fields, self._handler)
        return Codec(self.fields, self.extras, self._subject, self._handler, formerly)

    @cached_property
    def result(self) -> Codec:
        """The codec of its result: plain JSON if it has no return annotation.

        The same goes for a type that pydantic cannot read: the job runs all the same.
        """
        annotation = awaited(self._annotations.get("return", Any))
        if annotation is not object:
            codec = result_codec(annotation, self._handler)
            with suppress(ConfigError):
                codec.prepare()
                return codec
        return result_codec(Any, self._handler)

    @cached_property
    def may_return_nothing(self) -> bool:
        """Whether it may return None."""
        return is_nothing(self.result, None)

    def prepare(self) -> None:
        """Build the schemas now, so that a bad annotation is found at the start and not at the first job.

        Raises:
            ConfigError: If an annotation cannot be resolved or checked, or a provider cannot be called.
        """
        self.codec.prepare()
        check_providers(self.provided)

    def decode(self, body: bytes) -> dict[str, Any]:
        """Turn the JSON of a payload into the function's keyword arguments.

        Raises:
            PayloadError: If the function cannot take it.
        """
        return self.codec.decode(body)

    def bind(self, args: tuple[object, ...], fields: dict[str, Any]) -> dict[str, Any]:
        """Name positional arguments according to the function's signature.

        Raises:
            PayloadError: If there are more of them than the function has parameters, or a name comes twice.
        """
        if not args:
            return fields
        names = [name for name in self.parameters if name in self.fields]
        problems = [PayloadProblem("", f"takes {len(names)} arguments", str(len(args)))] * (len(args) > len(names))
        problems += [PayloadProblem(name, "is given twice", "") for name in names[: len(args)] if name in fields]
        if problems:
            raise PayloadError(self._subject, tuple(problems), self._handler)
        return {**dict(zip(names, args, strict=False)), **fields}


def _is_certainly_a_field(annotation: object) -> bool:
    """Whether a parameter is certainly a field, even before its annotation can be resolved; a string is not."""
    is_filled = provided_by(annotation) is not None or context_class(annotation, Context) is not None
    return not isinstance(annotation, str) and not is_filled
