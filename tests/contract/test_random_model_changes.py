"""Random pairs of types: `upnext gen --against` reports exactly those whose payloads the runtime cannot read.

Both sides of a pair are drawn from one grammar. Values of the earlier type are drawn as well, from few that lie at the
limits of the types, so that a pair of which none is refused breaks nothing.
"""

from __future__ import annotations

import random
import types
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import pytest
from pydantic import TypeAdapter, ValidationError

from tests.contract.test_model_changes import HEAD, gen, load
from upnext.errors import PayloadError
from upnext.payload.codec import Codec
from upnext.payload.encoding import encode

COUNT = 150
SAMPLES = 60
PLAIN = [
    *("int", "str", "float", "bool", "None", "UUID", "datetime", "date", "Decimal", "bytes"),
    *('Literal["a"]', 'Literal["a", "b"]', "Literal[1]", "Literal[1, 2]"),
    *("Colour", "Mixed", "Part", "Loose", "Pair", "Keys", "Point", "Count"),
    *("Annotated[int, Gt(0)]", "Annotated[int, Ge(1)]", "Annotated[int, Le(5)]", "PositiveInt", "conint(ge=0)"),
    *("Annotated[str, StringConstraints(max_length=3)]", "Annotated[str, StringConstraints(min_length=1)]"),
]
AROUND = ["list[{}]", "dict[str, {}]", "Optional[{}]", "Union[{}, {}]", "tuple[{}, {}]", "tuple[{}, ...]"]
MODELS = """
class Colour(StrEnum):
    A = "a"
    B = "b"


class Mixed(Enum):
    ONE = 1
    A = "a"


class Part(BaseModel):
    a: int
    b: str = "x"


class Loose(BaseModel):
    a: int | None = None


@dataclass
class Pair:
    a: int
    b: str = "y"


class Keys(TypedDict):
    a: int
    b: NotRequired[str]


class Point(NamedTuple):
    a: int
    b: int = 1


Count = NewType("Count", int)
"""
FORMS = {
    "model": "class Model(BaseModel):\n    field: {}\n",
    "dataclass": "@dataclass\nclass Model:\n    field: {}\n",
    "TypedDict": "class Model(TypedDict):\n    field: {}\n",
}
VALUES: dict[Any, list[Any]] = {
    int: [0, 1, -1, 2, 7, 100],
    str: ["", "a", "b", "hello"],
    float: [0.5, 1.0, -2.5],
    bool: [True, False],
    bytes: [b"", b"ab"],
    None: [None],
    type(None): [None],
    UUID: [UUID(int=1)],
    datetime: [datetime(2026, 1, 2), datetime(2026, 1, 2, 3, 4, tzinfo=UTC)],  # noqa: DTZ001 - some have no zone
    date: [date(2026, 1, 2)],
    Decimal: [Decimal("1.5"), Decimal(3)],
}
MADE: dict[str, list[Callable[[Any], Any]]] = {
    "Part": [lambda kind: kind(a=1), lambda kind: kind(a=100, b="z")],
    "Loose": [lambda kind: kind(), lambda kind: kind(a=100)],
    "Pair": [lambda kind: kind(a=100)],
    "Keys": [lambda _: {"a": 100}, lambda _: {"a": 1, "b": "q"}],
    "Point": [lambda kind: kind(100), lambda kind: kind(0, 0)],
}


def draw_pair(drawn: random.Random, depth: int = 0) -> tuple[str, str]:
    """Return two types that differ in some places, or in none."""
    if depth > 2 or drawn.random() < 0.5:
        before = drawn.choice(PLAIN)
        after = before if drawn.random() < 0.4 else drawn.choice(PLAIN)
        return before, f"Union[{before}, {after}]" if drawn.random() < 0.3 else after
    around = drawn.choice(AROUND)
    inside = [draw_pair(drawn, depth + 1) for _ in range(around.count("{}"))]
    other = (
        around if drawn.random() < 0.9 else drawn.choice([each for each in AROUND if each.count("{}") == len(inside)])
    )
    return around.format(*(each for each, _ in inside)), other.format(*(each for _, each in inside))


def draw_value(drawn: random.Random, kind: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        fitting = [each for each in VALUES[arguments[0]] if fits(kind, each)]
        return drawn.choice(fitting)
    if origin in {Union, types.UnionType}:
        return draw_value(drawn, drawn.choice(arguments))
    if origin is Literal:
        return drawn.choice(arguments)
    if origin is list:
        return [draw_value(drawn, arguments[0]) for _ in range(drawn.randrange(3))]
    if origin is dict:
        return {key: draw_value(drawn, arguments[1]) for key in drawn.sample(["", "a", "key"], drawn.randrange(3))}
    if origin is tuple:
        items = arguments[:1] * drawn.randrange(3) if arguments[-1] is ... else arguments
        return tuple(draw_value(drawn, each) for each in items)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return drawn.choice([*kind])
    if getattr(kind, "__name__", "") in MADE:
        return drawn.choice(MADE[kind.__name__])(kind)
    return drawn.choice(VALUES[getattr(kind, "__supertype__", kind)])


def fits(kind: Any, value: object) -> bool:
    try:
        TypeAdapter(kind).validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


def write_project(root: Path, sources: list[str]) -> None:
    lines = ["import upnext", 'worker = upnext.Worker("shop")']
    for number, source in enumerate(sources):
        (root / "shop" / f"m{number}.py").write_text(HEAD + source, encoding="utf-8")
        lines += [f"import shop.m{number}", f'@worker.event("pair{number}.").on(name="h")']
        lines.append(f"async def h{number}(payload: shop.m{number}.Model) -> None: ...")
    (root / "shop" / "handlers.py").write_text("\n".join(lines) + "\n", encoding="utf-8")


def refused(drawn: random.Random, before: Any, after: Any) -> bool:
    """Whether the class after cannot read some value that the class before has written."""
    sender = Codec({"payload": (before, True)}, None, "pair", "h")
    receiver = Codec({"payload": (after, True)}, None, "pair", "h")
    kind = get_type_hints(before, include_extras=True)["field"]
    for _ in range(SAMPLES):
        try:
            body = encode("pair", {"payload": before(field=draw_value(drawn, kind))}, [sender])
        except PayloadError:
            continue  # of a union the wrong alternative would arrive
        try:
            receiver.decode(body)
        except PayloadError:
            return True
    return False


def test_random_pairs_of_types_are_reported_exactly_where_the_runtime_refuses_a_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = random.Random(14)
    (tmp_path / "shop").mkdir()
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "shop" / "__init__.py").touch()
    pairs: list[tuple[str, str]] = []
    for _ in range(COUNT):
        form = drawn.choice([*FORMS.values()])
        before, after = draw_pair(drawn)
        pairs.append((MODELS + form.format(before), MODELS + form.format(after)))
    write_project(tmp_path, [before for before, _ in pairs])
    assert gen(tmp_path) == []
    (tmp_path / "upnext.lock").rename(tmp_path / "before.lock")
    write_project(tmp_path, [after for _, after in pairs])
    messages = [each["message"] for each in gen(tmp_path, "--against", "before.lock")]
    wrong: list[tuple[str, str, bool]] = []
    broken = 0
    for number, (before, after) in enumerate(pairs):
        old = load(tmp_path, f"old{number}", before, monkeypatch)
        new = load(tmp_path, f"new{number}", after, monkeypatch)
        is_refused = refused(drawn, old.Model, new.Model)
        broken += is_refused
        if is_refused != any(f'"pair{number}."' in each for each in messages):
            wrong.append((before.rpartition("field: ")[2], after.rpartition("field: ")[2], is_refused))
    assert wrong == []
    assert min(broken, COUNT - broken) >= 50
