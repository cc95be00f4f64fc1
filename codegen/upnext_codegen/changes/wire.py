"""Compares two types: can everything that is written as the one be read as the other?

What counts is the payload, not names: a class that moved, or was renamed but carries the same, counts as the same.
What is uncertain is not reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from upnext_codegen.changes.constraints import tighter
from upnext_codegen.changes.difference import Difference, Kind
from upnext_codegen.changes.scalars import is_read, may_be_text_of
from upnext_codegen.changes.shapes import (
    Classes,
    Model,
    alternatives,
    arguments,
    asks_nothing,
    category,
    class_key,
    items_of,
    model_of,
    typed,
    values_of,
)
from upnext_codegen.limits import MAX_CHANGED_TYPE_DEPTH
from upnext_codegen.types import (
    DISCRIMINATOR,
    NONE,
    ClassType,
    EnumMember,
    LiteralValue,
    ModelField,
    Type,
    unconstrained,
)

_LEAVES_OUT = frozenset({"model", "typeddict"})
"""Forms whose optional fields a payload may be without; dataclasses are always written in full."""

_STR = ClassType("builtins", "str")
_FEW: dict[Type, list[tuple[str, LiteralValue]]] = {
    NONE: [("None", None)],
    ClassType("builtins", "bool"): [("True", True), ("False", False)],
}
"""Types with few values, beside enums and literals."""


@dataclass(slots=True)
class Wire:
    """Compares types of an earlier state with those of now.

    Attributes:
        earlier: Facts of the classes of the earlier state.
        now: Facts of today's classes.
    """

    earlier: Classes
    now: Classes
    _known: dict[tuple[Type, Type, bool], tuple[Difference, ...]] = field(
        default_factory=dict[tuple[Type, Type, bool], tuple[Difference, ...]]
    )
    _depth: int = 0
    _backwards: Wire | None = None
    _is_backwards: bool = False

    def differences(self, was: Type, now: Type, *, takes_bools: bool = True) -> tuple[Difference, ...]:
        """Return what of the earlier type cannot be read as the current one.

        Args:
            was: The type that is written.
            now: The type that it is read as.
            takes_bools: Whether `int` and `float` take a bool.
        """
        key = (was, now, takes_bools)
        if key in self._known:
            return self._known[key]
        self._known[key] = ()  # A reference to itself is decided by the rest of the type.
        if self._depth < MAX_CHANGED_TYPE_DEPTH:
            self._depth += 1
            try:
                self._known[key] = tuple(dict.fromkeys(self._compared(was, now, takes_bools)))
            finally:
                self._depth -= 1
        return self._known[key]

    def fits(self, was: Type, now: Type) -> bool:
        """Return whether everything written as the earlier type can be read as the current one."""
        return not self.differences(was, now)

    # Types

    def _compared(self, was: Type, now: Type, takes_bools: bool) -> Iterator[Difference]:
        writes, reads = alternatives(was, self.earlier), alternatives(now, self.now)
        if asks_nothing(writes) or asks_nothing(reads):
            return
        found = [self._read_by_any(each, reads, takes_bools) for each in writes]
        bad = [each for each in found if each]
        inside = [one for each in bad for one in each if one.owner]
        if inside and all(one.owner for each in bad for one in each):
            yield from inside
        elif bad:
            first = bad[0][0]
            if len(writes) == len(reads) == 1 and first.kind is Kind.CONSTRAINED:
                yield from bad[0]
                return
            is_part = len(bad) < len(found) or len(reads) < len(writes) or self._is_part(was, now, bad)
            yield Difference(Kind.NARROWED if is_part else Kind.RETYPED, was=was, now=now)

    def _is_part(self, was: Type, now: Type, bad: Sequence[Sequence[Difference]]) -> bool:
        """Whether a type accepts only a part of what it used to."""
        if all(one.kind in {Kind.NARROWED, Kind.CONSTRAINED} for each in bad for one in each):
            return True
        if self._is_backwards or self._holds_another_class(was, now):
            return False  # The other direction does not depend on it.
        if self._backwards is None:
            self._backwards = Wire(self.now, self.earlier, _is_backwards=True)
        return self._backwards.fits(now, was)

    def _holds_another_class(self, was: Type, now: Type) -> bool:
        if not isinstance(was, ClassType) or not isinstance(now, ClassType):
            return False
        return class_key(was) in self.earlier and class_key(now) in self.now and not self._is_same(was, now)

    def _read_by_any(self, was: Type, reads: Sequence[Type], takes_bools: bool) -> tuple[Difference, ...]:
        """Compare one alternative with all types that it may be read as."""
        found = [tuple(self._one(was, each, takes_bools)) for each in reads]
        if not all(found):
            return ()
        plain = unconstrained(was)[0]
        alike = (each for each, read in zip(found, reads, strict=True) if self._is_same(plain, unconstrained(read)[0]))
        return next(alike, found[0] if len(found) == 1 else (Difference(Kind.RETYPED),))

    def _is_same(self, was: Type, now: Type) -> bool:
        """Whether two types are one class, which may have moved."""
        match was, now:
            case ClassType(), ClassType():
                if was.qualname != now.qualname:
                    return False
                return was.module == now.module or (
                    class_key(was) not in self.now and class_key(now) not in self.earlier
                )
            case _:
                return type(was) is type(now)

    def _one(self, was: Type, now: Type, takes_bools: bool) -> Iterator[Difference]:
        written, had = unconstrained(was)
        read, has = unconstrained(now)
        values, taken = values_of(written, self.earlier), values_of(read, self.now)
        if values is not None or taken is not None:
            found = tuple(self._compared_values(written, values, read, taken, takes_bools))
        else:
            # A number with limits accepts no bool, at any depth.
            found = tuple(self._compared_shapes(written, read, takes_bools and not has))
            found = found or tuple(self._missing_tags(written, had, read, has))
        yield from found
        if not found:
            plain = None if values is None else [value for _, value in values]
            kept = had if values is None else frozenset[str]()
            for each in tighter(written, read, kept, has, plain):
                yield Difference(Kind.CONSTRAINED, was=was, now=now, detail=each)

    def _missing_tags(self, was: Type, had: frozenset[str], now: Type, has: frozenset[str]) -> Iterator[Difference]:
        """Yield the current discriminator fields that payloads may lack."""
        if {category(was, self.earlier), category(now, self.now)} != {"object"}:
            return
        before, after = model_of(was, self.earlier), model_of(now, self.now)
        known = _tags(had)
        for field_ in (each for each in after.fields if each.name in _tags(has)):
            # pydantic looks for it under its alias and its name, whatever the source of the model.
            by_name = (each for each in before.fields if field_.name in each.written_keys)
            source = _source(field_, before.fields) or next(by_name, None)
            is_written = source is not None and (source.is_always_given or before.facts.form not in _LEAVES_OUT)
            if not is_written and (source is None or source.name not in known):
                yield Difference(Kind.REQUIRED, after.name, field_.name, detail=DISCRIMINATOR)

    # Literals and enums

    def _compared_values(
        self,
        was: Type,
        values: list[tuple[str, LiteralValue]] | None,
        now: Type,
        taken: list[tuple[str, LiteralValue]] | None,
        takes_bools: bool,
    ) -> Iterator[Difference]:
        if taken is not None and any(isinstance(value, EnumMember) for _, value in taken):
            return
        values = values or _FEW.get(was)
        if values is None:
            # If the type is known at all, more than a few values fit it.
            if category(was, self.earlier) != "unknown":
                yield Difference(Kind.NARROWED)
            return
        if taken is not None:
            allowed = {typed(value) for _, value in taken}
            missing = [
                name for name, value in values if not isinstance(value, EnumMember) and typed(value) not in allowed
            ]
            if missing and isinstance(now, ClassType) and isinstance(was, ClassType):
                yield from (Difference(Kind.MEMBER, class_key(now), name) for name in missing)
            elif missing:
                yield Difference(Kind.NARROWED)
            return
        for _, value in values:
            if not isinstance(value, EnumMember) and not self._takes(now, value, takes_bools):
                yield Difference(Kind.RETYPED)
                return

    def _takes(self, now: Type, value: LiteralValue, takes_bools: bool) -> bool:
        """Whether a value can be read as a type that is neither a literal nor an enum; False is certain."""
        what = category(now, self.now)
        if what != "scalar" or not isinstance(now, ClassType):
            return what == "unknown"
        kind = ClassType("builtins", type(value).__name__ if value is not None else "None")
        if isinstance(value, str) and now.module != "builtins":
            return may_be_text_of(value, class_key(now))
        return is_read(class_key(kind), class_key(now), takes_bools=takes_bools) is not False

    # Arrays and objects

    def _compared_shapes(self, was: Type, now: Type, takes_bools: bool) -> Iterator[Difference]:
        before, after = category(was, self.earlier), category(now, self.now)
        if "unknown" in {before, after}:
            return
        if before == after:
            compare = {
                "scalar": self._scalars,
                "array": self._arrays,
                "mapping": self._mappings,
                "object": self._objects,
            }[before]
            yield from compare(was, now, takes_bools)
        elif (before, after) == ("object", "mapping"):
            value = arguments(now, 2)[1]
            yield from self._inside([(each.type, value) for each in model_of(was, self.earlier).fields], takes_bools)
        elif (before, after) == ("mapping", "object"):
            model = model_of(now, self.now)
            value = arguments(was, 2)[1]
            if (
                any(each.required or not self.fits(value, each.type) for each in model.fields)
                or model.facts.extra == "forbid"
            ):
                yield Difference(Kind.RETYPED)
        elif before != "object" or not self._is_read_by_name(was, now, takes_bools):
            yield Difference(Kind.RETYPED)

    def _is_read_by_name(self, was: Type, now: Type, takes_bools: bool) -> bool:
        """Whether an object is read as a named tuple, which accepts its items' names and no others."""
        if not isinstance(now, ClassType) or class_key(now) not in self.now:
            return False
        after = model_of(now, self.now)
        by_name = after._replace(facts=after.facts._replace(extra="forbid"))
        return not any(self._compared_fields(model_of(was, self.earlier), by_name, takes_bools))

    def _scalars(self, was: Type, now: Type, takes_bools: bool) -> Iterator[Difference]:
        if is_read(class_key(was), class_key(now), takes_bools=takes_bools) is False:
            yield Difference(Kind.RETYPED)

    def _inside(self, pairs: Iterable[tuple[Type, Type]], takes_bools: bool) -> Iterator[Difference]:
        for was, now in pairs:
            yield from self.differences(was, now, takes_bools=takes_bools)

    def _mappings(self, was: Type, now: Type, takes_bools: bool) -> Iterator[Difference]:
        (key, value), (other_key, other_value) = arguments(was, 2), arguments(now, 2)
        yield from self._keys(key, other_key, takes_bools)
        yield from self._inside([(value, other_value)], takes_bools)

    def _keys(self, was: Type, now: Type, takes_bools: bool) -> Iterator[Difference]:
        """Compare the keys of mappings, all of which are written as strings."""
        reads = alternatives(now, self.now)
        texts = [each for each in reads if unconstrained(each)[0] == _STR]
        if not texts:
            yield from self._inside([(was, now)], takes_bools)
            return
        for each in alternatives(was, self.earlier):
            written, had = unconstrained(each)
            limits = [[*tighter(written, _STR, had, unconstrained(text)[1])] for text in texts]
            others = (other for other in reads if other not in texts)
            if all(limits) and not any(self.fits(each, other) for other in others):
                yield Difference(Kind.CONSTRAINED, was=was, now=now, detail=limits[0][0])

    def _arrays(self, was: Type, now: Type, takes_bools: bool) -> Iterator[Difference]:
        before, after = items_of(was, self.earlier), items_of(now, self.now)
        if not after.fixed:
            yield from self._inside([(each, after.types[0]) for each in before.types], takes_bools)
            return
        if not before.fixed:
            yield Difference(Kind.NARROWED)
            return
        for name in after.names[len(before.types) : after.needed]:
            yield Difference(Kind.UNKNOWN, after.owner, name)
        for name in before.names[len(after.types) :] if after.owner else ():
            yield Difference(Kind.REJECTED, after.owner, name)
        if not after.needed <= len(before.types) <= len(after.types) and not (before.owner and after.owner):
            yield Difference(Kind.RETYPED)
        names = after.names or ("",) * len(after.types)
        for one, other, name in zip(before.types, after.types, names, strict=False):
            for each in self.differences(one, other, takes_bools=takes_bools):
                yield _owned(each, after.owner, name, one, other) if after.owner else each

    def _objects(self, was: Type, now: Type, takes_bools: bool) -> Iterator[Difference]:
        before, after = model_of(was, self.earlier), model_of(now, self.now)
        takes_bools = takes_bools and after.facts.form in {"dataclass", "typeddict"}
        found = tuple(self._compared_fields(before, after, takes_bools))
        if found and not self._is_same(was, now):
            yield Difference(Kind.RETYPED)  # This is another class: its fields are not reported individually.
        else:
            yield from found

    def _compared_fields(self, was: Model, now: Model, takes_bools: bool) -> Iterator[Difference]:
        was = was._replace(fields=tuple(each for each in was.fields if each.left_out != "always"))
        sources = {each.name: _source(each, was.fields) for each in now.fields}
        new = [each for each in now.fields if each.required and sources[each.name] is None]
        used = {source.name for source in sources.values() if source is not None}
        lost = [each for each in was.fields if each.name not in used]
        renamed = self._renamed(lost, new, takes_bools)
        for each in now.fields:
            source = sources[each.name]
            if source is None:
                if each.name in renamed:
                    yield Difference(Kind.RENAMED, now.name, each.name, detail=renamed[each.name][1])
                elif each.required:
                    yield Difference(Kind.UNKNOWN, now.name, each.name)
                continue
            if each.required and not source.is_always_given and was.facts.form in _LEAVES_OUT:
                yield Difference(Kind.REQUIRED, now.name, each.name)
            for inner in self.differences(source.type, each.type, takes_bools=takes_bools):
                yield _owned(inner, now.name, each.name, source.type, each.type)
        if now.facts.extra == "forbid":
            former = {name for name, _ in renamed.values()}
            yield from (Difference(Kind.REJECTED, now.name, each.name) for each in lost if each.name not in former)
            if was.facts.extra == "allow":
                yield Difference(Kind.REJECTED, now.name)

    def _renamed(
        self, lost: Sequence[ModelField], new: Sequence[ModelField], takes_bools: bool
    ) -> dict[str, tuple[str, str]]:
        """Return for current fields their former names and the keys that they were written under."""
        pairs = [
            (one, other)
            for other in new
            for one in lost
            if one.name == other.name or not self.differences(one.type, other.type, takes_bools=takes_bools)
        ]
        olds, news = Counter(one.name for one, _ in pairs), Counter(other.name for _, other in pairs)
        return {
            other.name: (one.name, min(one.written_keys))
            for one, other in pairs
            if one.name == other.name or olds[one.name] == news[other.name] == 1
        }


def _source(read: ModelField, written: Sequence[ModelField]) -> ModelField | None:
    """The earlier field that a current field is read from."""
    found = [each for each in written if not each.written_keys.isdisjoint(read.read_keys)]
    return next((each for each in found if each.name == read.name), found[0] if found else None)


def _tags(constraints: Iterable[str]) -> set[str]:
    """The discriminator fields that constraints name."""
    return {field_ for name, _, field_ in (each.partition("=") for each in constraints) if name == DISCRIMINATOR}


def _owned(found: Difference, owner: str, name: str, was: Type, now: Type) -> Difference:
    """Name the field of a difference, if it is not known yet."""
    return found if found.owner else found._replace(owner=owner, field=name, was=was, now=now)
