"""What breaks between two types: whether all that is written as the one can be read as the other.

The payload counts, not the names: a class that moved, or was renamed and carries the same, is the same here. What is
not certain breaks nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from upnext_codegen.changes.constraints import tighter
from upnext_codegen.changes.scalars import SCALARS, is_read, plain_type
from upnext_codegen.merging.subtyping import OBJECT, substituted
from upnext_codegen.types import (
    ANY,
    NONE,
    AnyType,
    ClassFacts,
    ClassType,
    EnumMember,
    LiteralType,
    LiteralValue,
    ModelFacts,
    ModelField,
    TupleType,
    Type,
    UnionType,
    unconstrained,
)

Classes: TypeAlias = Mapping[str, ClassFacts]
"""Facts of classes, by "module:qualname"."""

_LISTS = frozenset(
    [
        *("builtins:list", "builtins:set", "builtins:frozenset", "builtins:tuple", "collections:deque"),
        *("collections.abc:Sequence", "collections.abc:MutableSequence", "collections.abc:Set"),
        *("collections.abc:MutableSet", "collections.abc:Collection", "collections.abc:Iterable"),
    ]
)
_DICTS = frozenset(
    [
        *("builtins:dict", "collections:OrderedDict", "collections:defaultdict"),
        *("collections.abc:Mapping", "collections.abc:MutableMapping"),
    ]
)
_OBJECTS = frozenset({"model", "pydantic-dataclass", "dataclass", "typeddict"})
_LEAVES_OUT = frozenset({"model", "typeddict"})
"""Forms whose optional fields a payload may be without; dataclasses are always written in full."""

_DEEPEST = 40
_STR = ClassType("builtins", "str")


class Kind(StrEnum):
    """How what was written cannot be read."""

    UNKNOWN = "unknown"
    REQUIRED = "required"
    REJECTED = "rejected"
    RENAMED = "renamed"
    RETYPED = "retyped"
    NARROWED = "narrowed"
    MEMBER = "member"
    CONSTRAINED = "constrained"


class Difference(NamedTuple):
    """One thing that breaks.

    Attributes:
        kind: How.
        owner: Today's class whose field it is, as "module:qualname"; "" where it is the compared type as a whole.
        field: The field of that class, "" for keys that it does not name.
        was: What was written.
        now: What is read.
        detail: The earlier key of a renamed field, or the constraint.
    """

    kind: Kind
    owner: str = ""
    field: str = ""
    was: Type = ANY
    now: Type = ANY
    detail: str = ""


class _Model(NamedTuple):
    """A class with its arguments put in.

    Attributes:
        name: "module:qualname".
        facts: What a payload carries of it.
        fields: Its fields, with their types.
    """

    name: str
    facts: ModelFacts
    fields: tuple[ModelField, ...]


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
        """Return what of the earlier type cannot be read as today's.

        Args:
            was: The type that is written.
            now: The type that it is read as.
            takes_bools: Whether `int` and `float` take a bool.
        """
        key = (was, now, takes_bools)
        if key in self._known:
            return self._known[key]
        self._known[key] = ()  # What refers to itself is whatever the rest of it makes of it.
        if self._depth < _DEEPEST:
            self._depth += 1
            try:
                self._known[key] = tuple(dict.fromkeys(self._compared(was, now, takes_bools)))
            finally:
                self._depth -= 1
        return self._known[key]

    def fits(self, was: Type, now: Type) -> bool:
        """Tell whether all that was written as the earlier type can be read as today's."""
        return not self.differences(was, now)

    # Types

    def _compared(self, was: Type, now: Type, takes_bools: bool) -> Iterator[Difference]:
        writes, reads = _alternatives(was, self.earlier), _alternatives(now, self.now)
        if _asks_nothing(writes) or _asks_nothing(reads):
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
        """Whether a type takes a part of what it took."""
        if all(one.kind in {Kind.NARROWED, Kind.CONSTRAINED} for each in bad for one in each):
            return True
        if self._is_backwards or self._holds_another_class(was, now):
            return False  # Whether it is one does not matter the other way round.
        if self._backwards is None:
            self._backwards = Wire(self.now, self.earlier, _is_backwards=True)
        return self._backwards.fits(now, was)

    def _holds_another_class(self, was: Type, now: Type) -> bool:
        if not isinstance(was, ClassType) or not isinstance(now, ClassType):
            return False
        return _name(was) in self.earlier and _name(now) in self.now and not self._is_same(was, now)

    def _read_by_any(self, was: Type, reads: Sequence[Type], takes_bools: bool) -> tuple[Difference, ...]:
        """Compare one alternative with all that it may be read as."""
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
                return was.module == now.module or (_name(was) not in self.now and _name(now) not in self.earlier)
            case _:
                return type(was) is type(now)

    def _one(self, was: Type, now: Type, takes_bools: bool) -> Iterator[Difference]:
        written, had = unconstrained(was)
        read, has = unconstrained(now)
        values, taken = self._values(written, self.earlier), self._values(read, self.now)
        if values is not None or taken is not None:
            found = tuple(self._compared_values(written, values, read, taken, takes_bools))
        else:
            found = tuple(self._compared_shapes(written, read, takes_bools))
        yield from found
        if not found:
            kept = had if values is None else frozenset[str]()
            yield from (
                Difference(Kind.CONSTRAINED, was=was, now=now, detail=each)
                for each in tighter(written, kept, has, None if values is None else [value for _, value in values])
            )

    # Literals and enums

    def _values(self, written: Type, classes: Classes) -> list[tuple[str, LiteralValue]] | None:
        """The values of a literal or an enum as JSON has them, each with its name; None for any other type.

        A value that cannot be known is an `EnumMember`.
        """
        match written:
            case LiteralType(values):
                return [(str(value), _json_value(value, classes)) for value in values]
            case ClassType():
                facts = classes.get(_name(written))
                if facts is None or facts.model is None or facts.model.form != "enum":
                    return None
                own = [EnumMember(written.module, written.qualname, member.name) for member in facts.model.fields]
                return [(member.member, _json_value(member, classes)) for member in own]
            case _:
                return None

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
        if values is None:
            # More than a few values fit the type, unless nothing is known of it, or it is one of a few itself.
            if _category(was, self.earlier) != "unknown" and was not in (NONE, ClassType("builtins", "bool")):
                yield Difference(Kind.NARROWED)
            return
        if taken is not None:
            allowed = {_typed(value) for _, value in taken}
            missing = [
                name for name, value in values if not isinstance(value, EnumMember) and _typed(value) not in allowed
            ]
            if missing and isinstance(now, ClassType) and isinstance(was, ClassType):
                yield from (Difference(Kind.MEMBER, _name(now), name) for name in missing)
            elif missing:
                yield Difference(Kind.NARROWED)
            return
        for _, value in values:
            if not isinstance(value, EnumMember) and not self._takes(now, value, takes_bools):
                yield Difference(Kind.RETYPED)
                return

    def _takes(self, now: Type, value: LiteralValue, takes_bools: bool) -> bool:
        """Whether a value is read as a type that is neither a literal nor an enum; certainly not, if it is not."""
        category = _category(now, self.now)
        if category != "scalar" or not isinstance(now, ClassType):
            return category == "unknown"
        kind = ClassType("builtins", type(value).__name__ if value is not None else "None")
        # Whether one text is a date, say, depends on the text.
        is_text = isinstance(value, str | bytes) and now.module != "builtins"
        return is_text or is_read(_name(kind), _name(now), takes_bools=takes_bools) is not False

    # Arrays and objects

    def _compared_shapes(self, was: Type, now: Type, takes_bools: bool) -> Iterator[Difference]:
        before, after = _category(was, self.earlier), _category(now, self.now)
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
            value = _arguments(now, 2)[1]
            yield from self._inside([(each.type, value) for each in self._model(was, self.earlier).fields], takes_bools)
        elif (before, after) == ("mapping", "object"):
            model = self._model(now, self.now)
            if any(each.required for each in model.fields) or model.facts.extra == "forbid":
                yield Difference(Kind.RETYPED)
        elif before not in {"object", "mapping"} or not self._is_named_tuple(now):
            yield Difference(Kind.RETYPED)  # A named tuple is read from an object as well.

    def _is_named_tuple(self, now: Type) -> bool:
        return isinstance(now, ClassType) and _name(now) in self.now

    def _scalars(self, was: Type, now: Type, takes_bools: bool) -> Iterator[Difference]:
        if is_read(_class_name(was), _class_name(now), takes_bools=takes_bools) is False:
            yield Difference(Kind.RETYPED)

    def _inside(self, pairs: Iterable[tuple[Type, Type]], takes_bools: bool) -> Iterator[Difference]:
        for was, now in pairs:
            yield from self.differences(was, now, takes_bools=takes_bools)

    def _mappings(self, was: Type, now: Type, takes_bools: bool) -> Iterator[Difference]:
        (key, value), (other_key, other_value) = _arguments(was, 2), _arguments(now, 2)
        # Every key is written as a string.
        if other_key != _STR and not isinstance(key, UnionType) and not isinstance(other_key, UnionType):
            yield from self._inside([(key, other_key)], takes_bools)
        yield from self._inside([(value, other_value)], takes_bools)

    def _arrays(self, was: Type, now: Type, takes_bools: bool) -> Iterator[Difference]:
        before, after = self._items(was, self.earlier), self._items(now, self.now)
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

    def _items(self, written: Type, classes: Classes) -> _Items:
        match written:
            case TupleType(items, variadic):
                return _Items(items, not variadic, len(items))
            case ClassType() if _name(written) in _LISTS:
                return _Items((_arguments(written, 1)[0],), fixed=False, needed=0)
            case _:
                model = self._model(written, classes)
                needed = sum(each.required for each in model.fields)
                names = tuple(each.name for each in model.fields)
                return _Items(tuple(each.type for each in model.fields), True, needed, model.name, names)

    def _model(self, written: Type, classes: Classes) -> _Model:
        assert isinstance(written, ClassType)
        facts = classes[_name(written)]
        assert facts.model is not None
        names = [name for name, _ in facts.type_parameters]
        given = dict.fromkeys(names, ANY) | dict(zip(names, written.args, strict=False))
        fields = facts.model.fields
        if given:
            fields = tuple(each._replace(type=substituted(each.type, given)) for each in fields)
        return _Model(_name(written), facts.model, fields)

    def _objects(self, was: Type, now: Type, takes_bools: bool) -> Iterator[Difference]:
        before, after = self._model(was, self.earlier), self._model(now, self.now)
        takes_bools = takes_bools and after.facts.form in {"dataclass", "typeddict"}
        found = tuple(self._compared_fields(before, after, takes_bools))
        if found and not self._is_same(was, now):
            yield Difference(Kind.RETYPED)  # Another class stands here: its fields are not to blame one by one.
        else:
            yield from found

    def _compared_fields(self, was: _Model, now: _Model, takes_bools: bool) -> Iterator[Difference]:
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
            if each.required and not source.required and was.facts.form in _LEAVES_OUT:
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
        """Return for fields of today what they were called and the key that they were written under."""
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


class _Items(NamedTuple):
    """What an array holds.

    Attributes:
        types: The types of its items; of any number of items the one type.
        fixed: Whether there is one item for each type.
        needed: How many there must be.
        owner: The named tuple that it is, "" for any other.
        names: The names of its items.
    """

    types: tuple[Type, ...]
    fixed: bool
    needed: int
    owner: str = ""
    names: tuple[str, ...] = ()


def _source(read: ModelField, written: Sequence[ModelField]) -> ModelField | None:
    """The field that a field of today is read from."""
    found = [each for each in written if not each.written_keys.isdisjoint(read.read_keys)]
    return next((each for each in found if each.name == read.name), found[0] if found else None)


def _owned(found: Difference, owner: str, name: str, was: Type, now: Type) -> Difference:
    """Say of which field a difference is, if that is not known."""
    return found if found.owner else found._replace(owner=owner, field=name, was=was, now=now)


def _alternatives(written: Type, classes: Classes, depth: int = 0) -> list[Type]:
    """The types that a type is one of, with what only names another one put in its place."""
    match written:
        case UnionType(members):
            return [one for member in members for one in _alternatives(member, classes, depth)]
        case LiteralType(values) if None in values:
            rest = tuple(value for value in values if value is not None)
            return [*([LiteralType(rest)] if rest else []), NONE]
        case ClassType():
            named = _meant(written, classes) if depth < _DEEPEST else None
            return [written] if named is None else _alternatives(named, classes, depth + 1)
        case _:
            return [written]


def _meant(written: ClassType, classes: Classes) -> Type | None:
    """What a NewType, a root model or one of pydantic's names stands for, None for any other class."""
    plain = plain_type(written)
    if plain != written:
        return plain
    facts = classes.get(_name(written))
    if facts is None:
        return None
    if facts.kind == "newtype" and facts.bases:
        return facts.bases[0]
    if facts.model is not None and facts.model.form == "root":
        names = [name for name, _ in facts.type_parameters]
        given = dict.fromkeys(names, ANY) | dict(zip(names, written.args, strict=False))
        return substituted(facts.model.fields[0].type, given)
    return None


def _asks_nothing(alternatives: Sequence[Type]) -> bool:
    return any(isinstance(each, AnyType) or each == OBJECT for each in alternatives)


def _category(written: Type, classes: Classes) -> str:
    """What a type is in JSON: "scalar", "array", "mapping", "object", or "unknown" where that is not certain."""
    if isinstance(written, TupleType):
        return "array"
    if not isinstance(written, ClassType):
        return "scalar" if isinstance(written, LiteralType) else "unknown"
    name = _name(written)
    facts = classes.get(name)
    if facts is not None:
        form = facts.model.form if facts.model else ""
        return "object" if form in _OBJECTS else "array" if form == "namedtuple" else "unknown"
    if name in SCALARS:
        return "scalar"
    return "array" if name in _LISTS else "mapping" if name in _DICTS else "unknown"


def _arguments(written: Type, count: int) -> tuple[Type, ...]:
    given = written.args if isinstance(written, ClassType) else ()
    return (*given, *[ANY] * count)[:count]


def _json_value(value: LiteralValue, classes: Classes) -> LiteralValue:
    """What a value of a literal is in JSON; a member whose value cannot be known stays one."""
    if not isinstance(value, EnumMember):
        return value
    facts = classes.get(f"{value.module}:{value.qualname}")
    for each in facts.model.fields if facts and facts.model else ():
        if each.name == value.member and isinstance(each.type, LiteralType):
            return each.type.values[0]
    return value


def _typed(value: LiteralValue) -> tuple[type, LiteralValue]:
    return type(value), value


def _name(owner: ClassType) -> str:
    return f"{owner.module}:{owner.qualname}"


def _class_name(written: Type) -> str:
    assert isinstance(written, ClassType)
    return _name(written)
