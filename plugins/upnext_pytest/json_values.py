"""hypothesis strategies for the JSON that a JSON Schema allows, as a payload travels.

hypothesis itself supplies values that code trips over: empty texts and lists, letters beyond ASCII, numbers beyond 64
bits. Times come with and without an offset.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, timedelta, timezone
from decimal import Decimal
from typing import Any, Final, TypeAlias, cast
from urllib.parse import unquote

from hypothesis import strategies as st

Strategy: TypeAlias = st.SearchStrategy[Any]
Schema: TypeAlias = Mapping[str, Any]

_MOST_ITEMS: Final = 5
_NEAR: Final = 100

_LETTERS: Final = st.characters(exclude_categories=["Cs"])  # no lone surrogates: JSON has none
_TEXT: Final = st.text(_LETTERS)
_OFFSETS: Final = st.sampled_from([None, UTC, timezone(timedelta(hours=-5)), timezone(timedelta(hours=5, minutes=45))])
_ANYTHING: Final = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), _TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_TEXT, inner, max_size=3)),
    max_leaves=5,
)

_FORMATS: Final[Mapping[str, Strategy]] = {
    "date-time": st.datetimes(timezones=_OFFSETS).map(lambda value: value.isoformat()),
    "date": st.dates().map(lambda value: value.isoformat()),
    "time": st.times(timezones=_OFFSETS).map(lambda value: value.isoformat()),
    "duration": st.one_of(
        st.integers(0, 10**6).map(lambda seconds: f"PT{seconds}S"),
        st.integers(-(10**6), 0).map(lambda seconds: f"-PT{-seconds}S"),
        st.integers(0, 10**5).map(lambda days: f"P{days}DT0.000001S"),
    ),
    "uuid": st.uuids().map(str),
    **{f"uuid{version}": st.uuids(version=cast("Any", version)).map(str) for version in (1, 3, 4, 5)},
    "path": st.sampled_from(["a", ".", "a/b", "/", "/a b/é.txt", "../a"]),
    "complex": st.complex_numbers(allow_nan=False, allow_infinity=False).map(lambda value: str(value).strip("()")),
    "ipv4": st.ip_addresses(v=4).map(str),
    "ipv6": st.ip_addresses(v=6).map(str),
    "ipv4network": st.ip_addresses(v=4).map(lambda address: f"{address}/32"),
    "ipv6network": st.ip_addresses(v=6).map(lambda address: f"{address}/128"),
    "ipv4interface": st.ip_addresses(v=4).map(lambda address: f"{address}/24"),
    "ipv6interface": st.ip_addresses(v=6).map(lambda address: f"{address}/64"),
    "email": st.emails(),
    "uri": st.sampled_from(
        ["https://example.org/", "http://example.org:8080/a?b=c#d", "https://xn--bcher-kva.example/"]
    ),
    "regex": st.sampled_from(["a", "^a+$", ""]),
}


def anything() -> Strategy:
    """Return a strategy for any JSON value."""
    return _ANYTHING


def further_names() -> st.SearchStrategy[str]:
    """Return a strategy for names of fields that no handler names."""
    return st.one_of(st.sampled_from(["further", "message", "id", "name", "été"]), st.text("abcxyz_", min_size=1))


def together(own: dict[str, Any], further: dict[str, Any]) -> dict[str, Any]:
    """Return an object with further keys, keeping its own."""
    return {**further, **own}


class JsonValues:
    """Strategies for the parts of one JSON Schema.

    Args:
        root: The schema, with the `$defs` that its parts refer to.
    """

    def __init__(self, root: Schema) -> None:
        self._definitions: Mapping[str, Schema] = root.get("$defs", {})
        self._referred: dict[str, Strategy] = {}

    def of(self, schema: Schema | bool) -> Strategy:
        """Return a strategy for the values that a schema allows.

        It may produce others as well, if a schema says more than is read here: the caller checks them.
        """
        if isinstance(schema, bool):
            return _ANYTHING if schema else st.nothing()
        if "$ref" in schema:
            return self._reference(schema["$ref"])
        if "const" in schema:
            return st.just(schema["const"])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        if schema.get("format") == "decimal":
            return _decimals(schema)
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return st.one_of([self.of(each) for each in schema[key]])
        if "allOf" in schema:
            return self.of({**{key: value for key, value in schema.items() if key != "allOf"}, **schema["allOf"][0]})
        kinds = schema.get("type", [])
        return self._typed(kinds, schema) if isinstance(kinds, str) else self._of_any_type(kinds, schema)

    def _of_any_type(self, kinds: list[str], schema: Schema) -> Strategy:
        return st.one_of([self._typed(kind, schema) for kind in kinds]) if kinds else _ANYTHING

    def _typed(self, kind: str, schema: Schema) -> Strategy:
        match kind:
            case "null":
                return st.none()
            case "boolean":
                return st.booleans()
            case "integer":
                return _integers(schema)
            case "number":
                return st.one_of(_integers(schema), _floats(schema))
            case "array":
                return self._array(schema)
            case "object":
                return self._object(schema)
            case _:
                return _texts(schema)

    def _reference(self, reference: str) -> Strategy:
        if reference not in self._referred:
            name = unquote(reference.removeprefix("#/$defs/")).replace("~1", "/").replace("~0", "~")
            # Deferred: a class may be recursive.
            self._referred[reference] = st.deferred(lambda: self.of(self._definitions[name]))
        return self._referred[reference]

    def _array(self, schema: Schema) -> Strategy:
        first = [self.of(each) for each in schema.get("prefixItems", ())]
        least = schema.get("minItems", 0)
        if first:
            lengths = range(max(min(least, len(first)), 0), len(first) + 1)
            return st.one_of([st.tuples(*first[:length]).map(list) for length in lengths])
        most = min(schema.get("maxItems", least + _MOST_ITEMS), least + _MOST_ITEMS)
        by = _text_of if schema.get("uniqueItems") else None
        return st.lists(self.of(schema.get("items", True)), min_size=least, max_size=most, unique_by=by)

    def _object(self, schema: Schema) -> Strategy:
        fields = {name: self.of(each) for name, each in schema.get("properties", {}).items()}
        required = set(schema.get("required", ()))
        fixed = st.fixed_dictionaries(
            {name: each for name, each in fields.items() if name in required},
            optional={name: each for name, each in fields.items() if name not in required},
        )
        further: Schema | bool = schema.get("additionalProperties", not fields)
        if further is False or (fields and further is True):
            return fixed
        least = max(schema.get("minProperties", 0) - len(required), 0)
        most = min(schema.get("maxProperties", least + _MOST_ITEMS), least + _MOST_ITEMS)
        keys = self.of({"type": "string", **schema.get("propertyNames", {})})
        others = st.dictionaries(keys, self.of(further), min_size=least, max_size=most)
        return st.builds(together, fixed, others) if fields else others


def _text_of(value: object) -> str:
    return json.dumps(value, sort_keys=True)


class _Bounds:
    """The bounds of a number, which its own part of a schema has."""

    def __init__(self, schema: Schema) -> None:
        self.least: float | None = schema.get("minimum", schema.get("exclusiveMinimum"))
        self.most: float | None = schema.get("maximum", schema.get("exclusiveMaximum"))
        self._excluded = (schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum"))

    def allow(self, number: Any) -> bool:
        """Return whether a number is within them."""
        return (
            (self.least is None or number >= self.least)
            and (self.most is None or number <= self.most)
            and number not in self._excluded
        )


def _integers(schema: Schema) -> Strategy:
    bounds, step = _Bounds(schema), schema.get("multipleOf", 1)
    step = step if isinstance(step, int) else 1
    least = None if bounds.least is None else -int(-bounds.least // step)
    most = None if bounds.most is None else int(bounds.most // step)
    if least is not None and most is not None and least > most:
        return st.nothing()
    numbers = st.integers(least, most)
    # In an unbounded range few numbers are near the limit.
    if least is None and most is not None:
        numbers = st.one_of(numbers, st.integers(most - _NEAR, most))
    elif most is None and least is not None:
        numbers = st.one_of(numbers, st.integers(least, least + _NEAR))
    return numbers.map(lambda number: number * step).filter(bounds.allow)


def _floats(schema: Schema) -> Strategy:
    bounds = _Bounds(schema)
    if bounds.least is not None and bounds.most is not None and bounds.least > bounds.most:
        return st.nothing()
    return st.floats(
        min_value=None if bounds.least is None else float(bounds.least),
        max_value=None if bounds.most is None else float(bounds.most),
        allow_nan=False,
        allow_infinity=False,
    ).filter(bounds.allow)


def _decimals(schema: Schema) -> Strategy:
    bounds = _Bounds(next((each for each in schema.get("anyOf", ()) if each.get("type") == "number"), schema))
    limits = [None if each is None else Decimal(str(each)) for each in (bounds.least, bounds.most)]
    # Without limits, more digits than the 28 of decimal's arithmetic as well.
    free = st.builds(_decimal, st.integers(), st.integers(-12, 40))
    numbers = st.one_of(
        *(st.decimals(*limits, places=places, allow_nan=False, allow_infinity=False) for places in (0, 2)),
        free if limits == [None, None] else st.decimals(*limits, allow_nan=False, allow_infinity=False),
    )
    return numbers.filter(bounds.allow).map(str)


def _decimal(digits: int, power: int) -> Decimal:
    return Decimal(f"{digits}E{power}")


def _texts(schema: Schema) -> Strategy:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if "pattern" in schema:
        found: Strategy = st.from_regex(schema["pattern"], alphabet=_LETTERS)
    elif least or most is not None:
        found = st.text(_LETTERS, min_size=least, max_size=most)
    else:
        return _TEXT
    return found.filter(lambda text: least <= len(text) and (most is None or len(text) <= most))
