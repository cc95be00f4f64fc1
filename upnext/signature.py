"""What one function takes, as one pydantic-core schema: encode at the sender, decode at the worker.

The schema is made from the signature: a key for each parameter that can be passed by keyword. Python values are
checked strictly at the sender, so that what passes there is what a type checker accepts; JSON is read strictly at
the worker, so that handlers get datetimes, UUIDs and models, and "1" never becomes 1.
"""

from __future__ import annotations

import inspect
import typing
from functools import cached_property
from typing import TYPE_CHECKING, Any, NotRequired, Required, get_args, get_origin, get_type_hints

import typing_extensions
from pydantic import ConfigDict, TypeAdapter
from pydantic_core import SchemaValidator, ValidationError
from typing_extensions import TypedDict, is_typeddict

from upnext.arrival import Taken
from upnext.context import Context
from upnext.errors import ConfigError, PayloadError, PayloadProblem
from upnext.hints import concrete
from upnext.schemas import as_checked, context_class, is_plain, name_problems

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic_core import CoreSchema

_UNPACKS = (typing.Unpack, typing_extensions.Unpack)  # two objects before Python 3.12
_BY_KEYWORD = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Signature:
    """The payload that a handler or task takes.

    Args:
        function: The user's function; it is read, never changed.
        subject: The event's or task's name, for messages.

    Raises:
        ConfigError: If it has a parameter that no payload can fill, or does not tell its parameters.
    """

    def __init__(self, function: Callable[..., object], subject: str, handler: str) -> None:
        self._function = function
        self._subject = subject
        self._handler = handler
        try:
            self.parameters: Mapping[str, inspect.Parameter] = inspect.signature(function).parameters
        except (TypeError, ValueError) as error:  # a classmethod object; a function of C that does not say
            msg = f"{function!r} cannot be a handler: {error}. Decorate a function (def or async def)."
            raise ConfigError(msg) from error
        for parameter in self.parameters.values():
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
                star = "*" if parameter.kind is parameter.VAR_POSITIONAL else ""
                msg = (
                    f"Parameter {star}{parameter.name} of {handler!r} cannot be filled: payloads are passed by "
                    "keyword. Take it by keyword, or as **kwargs."
                )
                raise ConfigError(msg)

    @cached_property
    def _hints(self) -> dict[str, Any]:
        target = inspect.unwrap(self._function)
        try:
            return get_type_hints(target, include_extras=True)
        except NameError as error:
            msg = (
                f"An annotation of {self._handler!r} cannot be resolved: {error}. Import the name where the worker "
                "runs, not only under TYPE_CHECKING."
            )
            raise ConfigError(msg) from error
        except Exception as error:  # what is written as text is code, which may raise anything
            raise ConfigError(f"An annotation of {self._handler!r} cannot be resolved: {error}") from error

    @cached_property
    def context_parameters(self) -> dict[str, type[Context]]:
        """The parameters that get the `Context`, and the class that each of them asks for."""
        asked = {name: context_class(self._hints.get(name), Context) for name in self.parameters}
        return {name: kind for name, kind in asked.items() if kind is not None}

    def inject(self, context: Context) -> dict[str, Context]:
        """Return what these parameters get; a subclass is made of what the job's context holds."""
        return {
            name: context if kind is Context else kind(**vars(context))
            for name, kind in self.context_parameters.items()
        }

    @cached_property
    def fields(self) -> dict[str, tuple[Any, bool]]:
        """Field name -> (annotation, whether it is required)."""
        fields: dict[str, tuple[Any, bool]] = {
            name: (self._hints.get(name, Any), parameter.default is parameter.empty)
            for name, parameter in self.parameters.items()
            if parameter.kind in _BY_KEYWORD and name not in self.context_parameters
        }
        unpacked = self._unpacked
        if unpacked is not None:
            required: frozenset[str] = getattr(unpacked, "__required_keys__", frozenset())
            for name, hint in get_type_hints(unpacked, include_extras=True).items():
                # The class itself has not read what is written as text.
                said = get_origin(hint) if get_origin(hint) in (Required, NotRequired) else None
                needed = name in required if said is None else said is Required
                fields[name] = (hint if said is None else get_args(hint)[0], needed)
        return fields

    @cached_property
    def extras(self) -> Any:
        """What `**kwargs` takes: its annotation, Any without one, None if further fields are refused."""
        for parameter in self.parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                return None if self._unpacked is not None else self._hints.get(parameter.name, Any)
        return None

    @cached_property
    def _unpacked(self) -> Any:
        for parameter in self.parameters.values():
            hint = self._hints.get(parameter.name)
            if parameter.kind is parameter.VAR_KEYWORD and get_origin(hint) in _UNPACKS:
                (typed_dict,) = get_args(hint)
                return typed_dict if is_typeddict(typed_dict) else None
        return None

    def names(self, field: str) -> bool:
        """Say whether the function says what a field is, by a parameter or by the annotation of `**kwargs`."""
        return field in self.fields or self.extras not in (None, Any, object)

    def hint(self, field: str) -> Any:
        """Return a field's annotation."""
        return self.fields[field][0] if field in self.fields else self.extras

    @cached_property
    def _schema(self) -> CoreSchema:
        items = {
            name: Required[concrete(hint)] if required else NotRequired[concrete(hint)]
            for name, (hint, required) in self.fields.items()
        }
        make: Any = TypedDict  # checkers want the functional form's keys to be literal
        payload = make("payload", items)
        payload.__pydantic_config__ = ConfigDict(allow_inf_nan=False)
        try:
            return TypeAdapter(payload).core_schema
        except Exception as error:
            raise ConfigError(f"The parameters of {self._handler!r} cannot be checked by pydantic: {error}") from error

    @cached_property
    def _validators(self) -> tuple[SchemaValidator, SchemaValidator]:
        """One that reads what arrives, and one that takes no keys that a TypedDict in it does not have."""
        schema, extras = self._schema, self.extras
        try:
            tolerant, exact = (as_checked(schema, keys, extras) for keys in ("allow", "forbid"))
            reader = SchemaValidator(tolerant)
            return reader, reader if tolerant == exact else SchemaValidator(exact)
        except Exception as error:
            raise ConfigError(f"The parameters of {self._handler!r} cannot be checked by pydantic: {error}") from error

    @cached_property
    def is_plain(self) -> bool:
        """Whether its types are JSON's own: what JSON carries unchanged then arrives unchanged."""
        return self.extras in (None, Any, object) and is_plain(self._schema)

    @cached_property
    def returns(self) -> TypeAdapter[Any] | None:
        """What results are read as, or None if the function does not say, or says what pydantic cannot read."""
        hint = self._hints.get("return", Any)
        if hint in (Any, object, None, type(None)):
            return None
        try:
            return TypeAdapter(concrete(hint))
        except Exception:  # noqa: BLE001  # pydantic has several; the job runs all the same
            return None

    def prepare(self) -> None:
        """Build the schema now, so that a bad annotation is met at the start and not at the first job.

        Raises:
            ConfigError: If an annotation cannot be resolved or checked.
        """
        _ = self._validators

    def check(self, fields: Mapping[str, object]) -> Taken:
        """Return what the function's annotations make of Python values.

        Raises:
            PayloadError: Naming every field that is wrong, with types and without values.
        """
        reader, exact = self._validators
        try:
            return Taken(exact.validate_python(fields, strict=True), {})
        except ValidationError as error:
            beyond = name_problems(error)
        try:
            # A value of a TypedDict may also be one of a class derived from it, which another handler asks for.
            values = reader.validate_python(fields, strict=True)
        except ValidationError:
            raise PayloadError(self._subject, beyond, self._handler) from None
        return Taken(values, {problem.field.partition(".")[0]: problem for problem in beyond})

    def decode(self, body: bytes) -> dict[str, Any]:
        """Turn the JSON of a payload into the function's keyword arguments.

        Raises:
            PayloadError: If the function cannot take it.
        """
        try:
            arguments: dict[str, Any] = self._validators[0].validate_json(body, strict=True)
        except ValidationError as error:
            raise PayloadError(self._subject, name_problems(error), self._handler) from None
        return arguments

    def bind(self, args: tuple[object, ...], fields: dict[str, Any]) -> dict[str, Any]:
        """Name positional arguments as the function's own signature does.

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
