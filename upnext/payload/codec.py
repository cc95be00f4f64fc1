"""The fields of one function as pydantic-core schemas: checked as Python values, read from JSON.

Python values are checked strictly, so that what passes is what a type checker accepts. JSON is read strictly, so that
handlers get datetimes, UUIDs and models, and "1" never becomes 1.
"""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from pydantic import ConfigDict, PydanticUndefinedAnnotation
from pydantic_core import SchemaValidator, ValidationError
from typing_extensions import TypedDict

from upnext.annotations import concrete
from upnext.errors import ConfigError, PayloadError
from upnext.payload.problems import describe_errors, top_level_field, unwritable_names
from upnext.payload.round_trip import Validated, read, write
from upnext.payload.schemas import SchemaRewriter, fields_with_user_code, holds_kind, is_plain
from upnext.payload.stand_ins import with_stand_ins
from upnext.payload.type_adapters import type_adapter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import CoreSchema


class Codec:
    """Validates and decodes the fields of one function.

    Args:
        fields: Field name -> (annotation, whether it is required).
        extras: What `**kwargs` takes: its annotation, Any without one, None if further fields are refused.
        subject: The event's or task's name, for messages.
        handler: The function's name, for messages.
        formerly: The fields by names that they had before, under which a payload that arrives may still have them.
    """

    def __init__(
        self,
        fields: Mapping[str, tuple[Any, bool]],
        extras: Any,
        subject: str,
        handler: str,
        formerly: Mapping[str, str] | None = None,
    ) -> None:
        self.fields = fields
        self.extras = extras
        self._subject = subject
        self._handler = handler
        self._formerly = formerly or {}

    def names(self, field: str) -> bool:
        """Return whether the function declares a field, by a parameter or by the annotation of `**kwargs`."""
        return field in self.fields or self.extras not in (None, Any, object)

    def annotation(self, field: str) -> Any:
        """Return a field's annotation."""
        return self.fields[field][0] if field in self.fields else self.extras

    @cached_property
    def _schema(self) -> CoreSchema:
        make: Any = TypedDict  # checkers want the functional form's keys to be literal
        try:
            payload = make("payload", {name: concrete(annotation) for name, (annotation, _) in self.fields.items()})
            # Not by `Required[...]`: typing caches what it makes, and unions that differ only in order are equal, so
            # that the first one seen by the process would be used for both.
            payload.__required_keys__ = frozenset(name for name, (_, required) in self.fields.items() if required)
            payload.__optional_keys__ = frozenset(self.fields) - payload.__required_keys__
            payload.__pydantic_config__ = ConfigDict(allow_inf_nan=False)
            return _core_schema(payload)
        except Exception as error:
            raise self._unusable(error) from error

    @cached_property
    def _validators(self) -> tuple[SchemaValidator, SchemaValidator]:
        """Two validators: one that reads payloads, and one that accepts no extra keys in TypedDicts."""
        try:
            tolerant, exact = SchemaRewriter("allow"), SchemaRewriter("forbid")
            reading, checking = (rewriter.rewrite(self._schema, self.extras) for rewriter in (tolerant, exact))
            reader = _validator(reading, tolerant)
            return reader, reader if reading == checking else _validator(checking, exact)
        except ConfigError:
            raise
        except Exception as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> ConfigError:
        reason = str(error).partition("\n")[0].partition(". Set `")[0]
        if isinstance(error, RecursionError | PydanticUndefinedAnnotation):
            reason = (
                "the annotation of a field in a class among them names what is not defined there, or an alias that "
                "mentions itself and has the name of another one: define it, or write the alias as `type Name = ...` "
                "(before Python 3.12, with TypeAliasType of typing_extensions)"
            )
        return ConfigError(f"The parameters of {self._handler!r} cannot be checked by pydantic: {reason}")

    @cached_property
    def is_plain(self) -> bool:
        """Whether its types are JSON's own, so that unchanged JSON arrives unchanged."""
        return self.extras in (None, Any, object) and is_plain(self._schema)

    @cached_property
    def has_models(self) -> bool:
        """Whether a field of a model in it may be unset."""
        return holds_kind(self._schema, "model")

    @cached_property
    def has_floats(self) -> bool:
        """Whether anything in it may be read as a float."""
        return holds_kind(self._schema, "float")

    @cached_property
    def _leniently_read(self) -> frozenset[str]:
        return fields_with_user_code(self._schema)

    def prepare(self) -> None:
        """Build the schemas now, so that a bad annotation is found at the start and not at the first job.

        Raises:
            ConfigError: If an annotation cannot be checked.
        """
        _ = self._validators

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of a payload.

        Raises:
            ConfigError: If an annotation cannot be checked.
        """
        from upnext.payload.json_schema import payload_json_schema  # noqa: PLC0415 - a sender does without

        try:
            return payload_json_schema(self._schema, self.extras, self._formerly)
        except ConfigError:
            raise
        except Exception as error:
            raise self._unusable(error) from error

    def check(self, fields: Mapping[str, object]) -> Validated:
        """Return Python values as the function's annotations convert them.

        Raises:
            PayloadError: Naming every field that is wrong, with types and without values.
        """
        reader, exact = self._validators
        try:
            return Validated(exact.validate_python(fields, strict=True), {})
        except ValidationError as error:
            extra_keys = describe_errors(error)
        try:
            # A value of a TypedDict may also belong to a class derived from it, which another handler takes.
            values = reader.validate_python(fields, strict=True)
        except ValidationError:
            raise PayloadError(self._subject, unwritable_names(fields) or extra_keys, self._handler) from None
        return Validated(values, {top_level_field(problem): problem for problem in extra_keys})

    def decode(self, body: bytes) -> dict[str, Any]:
        """Turn the JSON of a payload into the function's keyword arguments.

        Raises:
            PayloadError: If the function cannot take it.
        """
        reader = self._validators[0]
        if self._formerly:
            body = self._under_names_of_today(body)
        try:
            arguments: dict[str, Any] = reader.validate_json(body, strict=True)
        except ValidationError as error:
            problems = describe_errors(error)
            # To pydantic, the result of a validator in "before" mode is a Python value, and a strict datetime accepts
            # no string, which is all that JSON has.
            if not {top_level_field(problem) for problem in problems} <= self._leniently_read:
                raise PayloadError(self._subject, problems, self._handler) from None
        else:
            return arguments
        try:
            arguments = reader.validate_json(body)
        except ValidationError as error:
            raise PayloadError(self._subject, describe_errors(error), self._handler) from None
        return arguments

    def _under_names_of_today(self, body: bytes) -> bytes:
        try:
            payload = read(body)
        except ValueError:
            return body  # which is refused then
        if not isinstance(payload, dict) or not any(name in payload for name in self._formerly):
            return body
        fields = cast("dict[str, Any]", payload)
        named = {name: value for name, value in fields.items() if name not in self._formerly}
        for former, name in self._formerly.items():
            if former in fields:
                named.setdefault(name, fields[former])
        return write(named)


def _core_schema(kind: Any) -> CoreSchema:
    try:
        return type_adapter(kind).core_schema
    except Warning:  # if warnings are errors: pydantic warns of `ReadOnly`, which means nothing for a payload
        with warnings.catch_warnings(action="ignore"):
            return type_adapter(kind).core_schema


def _validator(schema: CoreSchema, rewriter: SchemaRewriter) -> SchemaValidator:
    if not rewriter.changed_classes:
        return SchemaValidator(schema)
    build: Any = SchemaValidator
    try:
        # Since pydantic 2.13 (pydantic-core/src/validators/mod.rs), quicker than stand-ins, but not a public interface.
        validator: SchemaValidator = build(schema, None, _use_prebuilt=False)
    except TypeError:
        return SchemaValidator(with_stand_ins(schema))
    return validator
