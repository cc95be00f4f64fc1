"""The sources of random payloads: the handlers in this process, or an earlier contract."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from hypothesis import strategies as st

from upnext.errors import PayloadError
from upnext.payload.codec import Codec
from upnext.payload.encoding import encode
from upnext.payload.round_trip import write
from upnext_pytest.json_values import JsonValues, Strategy, anything, further_names, together

if TYPE_CHECKING:
    from upnext.handler import Handler
    from upnext_codegen.export.sendable import SendableField

Payload: TypeAlias = dict[str, Any]
"""Fields, as JSON has them."""

_LIMITS: Final = frozenset({
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "pattern", "minItems", "maxItems", "minProperties", "maxProperties"),
})  # fmt: skip


class ContractPayloads:
    """What can be sent to some handlers: the payloads that all of them accept.

    Args:
        subject: The event's name, or the task's.
        handlers: Every handler of the event that this process knows, or the one task.
        given: What the user wants fields to be: strategies for values as `send` takes them.
        is_open: Whether fields can be sent that no handler names.
    """

    def __init__(
        self, subject: str, handlers: Sequence[Handler], given: Mapping[str, Strategy], *, is_open: bool
    ) -> None:
        self._subject = subject
        self._codecs = [handler.signature.codec for handler in handlers]
        self._schemas = [codec.json_schema() for codec in self._codecs]
        self._given = given
        self._is_open = is_open and all(codec.extras is not None for codec in self._codecs)

    def strategy(self) -> st.SearchStrategy[Payload]:
        """Return a strategy for payloads; `body` tells which of them can be sent."""
        names = set[str]().union(*(codec.fields for codec in self._codecs))
        required = {name for name in names for codec in self._codecs if codec.fields.get(name, (None, False))[1]}
        # Senders omit a field that one handler rejects if the others do not require it.
        optional = {name for name in names - required if all(map(_takes(name), self._codecs))}
        own = _payloads({name: self.field(name) for name in names}, required, optional)
        return st.builds(together, own, self._further(names)) if self._is_open else own

    def field(self, name: str) -> Strategy:
        """Return a strategy for the values of one field, which every handler can read."""
        if name in self._given:
            return self._given[name].map(lambda value: json.loads(write({name: value}))[name])
        values = [
            JsonValues(schema).of(schema["properties"][name])
            for codec, schema in zip(self._codecs, self._schemas, strict=True)
            if name in codec.fields
        ]
        readers = [
            Codec({name: (codec.annotation(name), True)}, None, self._subject, self._subject)
            for codec in self._codecs
            if codec.names(name)
        ]
        return st.one_of(values or [anything()]).filter(
            lambda value: all(_can_read(reader, {name: value}) for reader in readers)
        )

    def limits(self, name: str, kind: object) -> dict[str, Any]:
        """Return the limits of a field, as JSON Schema, if it is of a type that has them."""
        schemas = [schema["properties"].get(name, {}) for schema in self._schemas]
        alike = [each for schema in schemas for each in schema.get("anyOf", [schema]) if each.get("type") == kind]
        return {key: limit for schema in alike for key, limit in schema.items() if key in _LIMITS}

    def _further(self, names: Collection[str]) -> st.SearchStrategy[Payload]:
        """Return a strategy for fields that no handler names."""
        typed = [
            JsonValues(schema).of(schema["additionalProperties"])
            for codec, schema in zip(self._codecs, self._schemas, strict=True)
            if codec.extras not in (Any, object)
        ]
        unnamed = further_names().filter(lambda name: name not in names)
        return st.dictionaries(unnamed, st.one_of(typed or [anything()]), max_size=2)

    def body(self, payload: Payload) -> bytes:
        """Return the JSON that a sender writes for a payload.

        Raises:
            PayloadError: If it cannot be sent.
        """
        text = json.dumps(payload).encode()
        refused: PayloadError | None = None
        read = [codec.decode(text) for codec in self._codecs]
        for first in range(len(self._codecs)):
            # One handler may take a base class of what another one takes: each is tried with the value that was sent.
            order = [*range(first, len(self._codecs)), *range(first)]
            fields = {
                name: next((read[n][name] for n in order if self._codecs[n].names(name)), payload[name])
                for name in payload
            }
            try:
                return encode(self._subject, fields, self._codecs)
            except PayloadError as error:
                refused = error
        assert refused is not None
        raise refused


class EarlierPayloads:
    """What senders of an earlier state send.

    Args:
        fields: The fields of the earlier contract.
        now: The same event today, for the fields of which the earlier contract does not say enough.
    """

    def __init__(self, fields: Mapping[str, SendableField], now: ContractPayloads) -> None:
        self._fields = fields
        self._now = now

    def strategy(self) -> st.SearchStrategy[Payload]:
        """Return a strategy for payloads."""
        required = {name for name, field in self._fields.items() if field.required}
        return _payloads({name: self._field(name) for name in self._fields}, required, self._fields.keys() - required)

    def _field(self, name: str) -> Strategy:
        schema = self._fields[name].schema
        if schema is None:
            return self._now.field(name)
        # The lock has no constraints of parameters, only of models: the current ones are assumed.
        limits = {key: limit for key, limit in self._now.limits(name, schema.get("type")).items() if key not in schema}
        return JsonValues(schema).of({**schema, **limits})

    def body(self, payload: Payload) -> bytes:
        """Return the JSON that a sender wrote for a payload."""
        return json.dumps(payload).encode()


def _payloads(
    values: Mapping[str, Strategy], required: Collection[str], optional: Collection[str]
) -> st.SearchStrategy[Payload]:
    return st.fixed_dictionaries(
        {name: values[name] for name in sorted(required)}, optional={name: values[name] for name in sorted(optional)}
    )


def _takes(field: str) -> Callable[[Codec], bool]:
    return lambda codec: field in codec.fields or codec.extras is not None


def _can_read(codec: Codec, payload: Payload) -> bool:
    try:
        codec.decode(json.dumps(payload).encode())
    except PayloadError:
        return False
    return True
