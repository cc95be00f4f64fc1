"""Projects that nobody would write: random handlers of random types, under names that are in the way."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.corpus.casefile import Case

EVENTS = ("order.placed", "order_placed", "Order-Placed", "catalog", "Catalog", "send", "class", "_", "a/b:c", "x.On")
NAMES = ("x", "self", "cls", "name", "delay", "key", "timeout", "_self", "extra", "_P", "_R", "_Literal", "_overload")
NAMES += ("int", "str", "list", "type", "print", "__x", "__init__", "_", "match", "é", "ﬁeld", "OrderPlaced", "upnext")
CLASSES = ("Order", "Any", "Literal", "int", "None_", "Catalog", "OrderPlaced", "OrderPlacedSend", "_Literal", "Sender")
MODULES = ("models", "typing_", "_upnext_event", "datetime", "send", "événement", "async_")
TEXTS = st.text(alphabet="a\"'\\\n\0\u2028\u202e{}%é\U0001f600", max_size=5)
_PLAIN = ("int", "str", "bytes", "bool", "float", "None", "object", "Any", "datetime.date", "datetime.datetime")
_PLAIN += ("decimal.Decimal", "uuid.UUID", "pathlib.Path", "list", "dict", "tuple", "re.Pattern", "type", "Exception")
_PLAIN += (
    "Sequence",
    "Mapping",
    "T",
    "type[int]",
    "upnext.Context",
    "nowhere.Lost",
    "Missing",
    "os.PathLike",
    "Awaitable",
)
_ONE = ("list[{}]", "set[{}]", "frozenset[{}]", "Sequence[{}]", "Iterable[{}]", "tuple[{}, ...]", "Optional[{}]")
_ONE += ("{} | None", "Annotated[{}, 'note']", "Callable[[{}], None]", "deque[{}]", "Maybe[{}]")
_TWO = ("dict[{}, {}]", "Mapping[{}, {}]", "Union[{}, {}]", "tuple[{}, {}]", "{} | {}", "defaultdict[{}, {}]")
_KINDS = (
    "@_d.dataclass\nclass {0}:\n    item: int\n",
    "@_d.dataclass\nclass {0}(_x.Generic[_T]):\n    item: _T\n",
    "class {0}(_x.TypedDict, total=False):\n    item: int\n    other: _x.Required[str]\n",
    "class {0}(_x.NamedTuple):\n    item: int\n",
    "class {0}(_e.Enum):\n    ONE = 1\n    TWO = 2\n",
    "class {0}(_e.StrEnum):\n    ONE = 'one'\n    TWO = 'two'\n",
    "class {0}: ...\n",
    "{0} = _x.NewType('{0}', str)\n",
    "{0} = _x.Literal['a', 'b']\n",
    "class {0}(_p.BaseModel):\n    item: int\n    class Inner(_p.BaseModel): ...\n",
)
_MODELS = """\
import dataclasses as _d, enum as _e, pydantic as _p, typing_extensions as _x
_T = _x.TypeVar("_T")
"""
_HEAD = """\
import datetime, decimal, os, pathlib, re, uuid
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, Optional, TypeVar, Union, Unpack
import upnext
T = TypeVar("T")
Maybe = Union[T, None]
"""


def literals() -> st.SearchStrategy[str]:
    """Return the text of a Literal."""
    values = st.one_of(TEXTS, st.binary(max_size=3), st.integers(-3, 3), st.booleans(), st.none())
    return st.lists(values, min_size=1, max_size=3).map(lambda each: f"Literal[{', '.join(map(repr, each))}]")


def annotations(classes: list[str]) -> st.SearchStrategy[str]:
    """Return the text of an annotation, plain or in quotes."""
    leaves = st.one_of(st.sampled_from((*_PLAIN, *classes)), literals())
    nested = st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(str.format, st.sampled_from(_ONE), inner),
            st.builds(str.format, st.sampled_from(_TWO), inner, inner),
        ),
        max_leaves=4,
    )
    return st.one_of(nested, nested.map(repr))


@st.composite
def handlers(draw: st.DrawFn, classes: list[str]) -> str:
    """Return a handler, without its decorator."""
    names = draw(st.lists(st.sampled_from(NAMES), max_size=4, unique=True))
    notes = annotations(classes)
    plain: list[str] = []
    for name in names:
        note = draw(st.one_of(st.just(""), notes.map(lambda text: f": {text}")))
        plain.append(f"{name}{note}{draw(st.sampled_from(('', '', ' = ...')))}")
    rest = draw(st.sampled_from(("", "**rest", "**rest: object", "**rest: int", "note", "unpack")))
    rest = f"**rest: {draw(notes)}" if rest == "note" else rest
    rest = f"**rest: Unpack[{draw(st.sampled_from(classes))}]" if rest == "unpack" and classes else rest
    parts = [*(["*", *plain] if plain else []), *([rest] if rest.startswith("**") else [])]
    return f"def {draw(st.sampled_from(('f', 'send', 'é', '_P', 'Any')))}({', '.join(parts)}): ...\n"


@st.composite
def projects(draw: st.DrawFn) -> Case:
    """Return a project of one package: a module of classes, and one of events and handlers."""
    module = draw(st.sampled_from(MODULES))
    names = draw(st.lists(st.sampled_from(CLASSES), max_size=3, unique=True))
    kinds = {name: draw(st.sampled_from(_KINDS)) for name in names}
    written = [f"m.{name}" for name in names]
    written += [f"m.{name}[int]" for name, kind in kinds.items() if "_T" in kind]
    written += [f"Literal[m.{name}.ONE]" for name, kind in kinds.items() if "ONE" in kind]
    written += [f"m.{name}.Inner" for name, kind in kinds.items() if "Inner" in kind]
    lines = ["worker = upnext.Worker('w')\n"]
    for number, event in enumerate(draw(st.lists(st.sampled_from(EVENTS), min_size=1, max_size=3, unique=True))):
        extra = draw(st.sampled_from(("", ", extra='forbid'", ", extra='allow'")))
        lines.append(f"e{number} = worker.event({event!r}{extra})\n")
        for order, handler in enumerate(draw(st.lists(handlers(written), max_size=3))):
            lines.append(f"@e{number}.on(name='h{order}')\n{handler}")
    return Case(
        "random",
        files={
            "shop/__init__.py": "",
            f"shop/{module}.py": _MODELS + "".join(kinds[name].format(name) for name in names),
            "shop/handlers.py": f"{_HEAD}import shop.{module} as m\n{''.join(lines)}",
        },
    )
