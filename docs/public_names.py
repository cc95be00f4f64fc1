"""Keeps docs/public_names.txt: every name and parameter of the Python API, and the release that brought it.

python docs/public_names.py               write it anew
python docs/public_names.py --check       exit 1 if it is not what the code gives
python docs/public_names.py --release     let what is new be of the version in upnext/__init__.py

A name that was released stays in the list, and in the code, until it has been deprecated and its time is over
(docs/deprecations.md).
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

import upnext

DOCS = Path(__file__).parent
LIST = DOCS / "public_names.txt"
NEXT = "next"
"""Since when a name is there that no release has."""

_ON_PAGE = re.compile(r"^::: (\S+)$", re.MULTILINE)
_ATTRIBUTES = re.compile(r"^Attributes:\n((?:[ ]{4}.*\n?|\n)+)", re.MULTILINE)
_ATTRIBUTE = re.compile(r"^[ ]{4}(\w+):", re.MULTILINE)
_DEPRECATION = re.compile(r"Deprecated since upnext (\d+\.\d+), gone in (\d+\.\d+): \S")


class PublicNameError(Exception):
    """Raised when a name is gone, or deprecated, in another way than the policy has it."""


def main(arguments: list[str]) -> int:
    before = read(LIST.read_text(encoding="utf-8") if LIST.exists() else "")
    try:
        names = merged(before, public_names(), upnext.__version__)
    except PublicNameError as error:
        print(error, file=sys.stderr)
        return 1
    if "--release" in arguments:
        names = {name: note.replace(NEXT, upnext.__version__) for name, note in names.items()}
    if names != before and "--check" in arguments:
        print("Out of date: docs/public_names.txt. Write it with: python docs/public_names.py", file=sys.stderr)
        return 1
    if "--check" not in arguments:
        LIST.write_text("".join(f"{name} {note}\n" for name, note in sorted(names.items())), encoding="utf-8")
    return 0


def read(text: str) -> dict[str, str]:
    """Return each name with its note: since when it is there, and until when if it is deprecated."""
    return {name: note for name, _, note in (line.partition(" ") for line in text.splitlines())}


def merged(before: Mapping[str, str], now: Mapping[str, str], version: str) -> dict[str, str]:
    """Return the names that are there now with their notes.

    Args:
        before: Those of the list.
        now: Those of the code, with what their deprecation says, "" without one.
        version: The version that was released last: what is over in the next minor one may go.

    Raises:
        PublicNameError: If one of them is gone, or deprecated, in another way than the policy has it.
    """
    major, minor = (int(number) for number in version.split(".")[:2])
    for name in sorted(set(before) - set(now)):
        since, _, deprecation = before[name].partition(" ")
        until = deprecation.rpartition(" ")[2]
        is_over = until != "" and tuple(map(int, until.split("."))) <= (major, minor + 1)
        if since != NEXT and not is_over:
            raise PublicNameError(
                f"{name} is public since {since} and is gone: deprecate it first, or keep it until {until or 'then'}."
            )
    return {name: f"{before.get(name, NEXT).partition(' ')[0]}{_note(name, said)}" for name, said in now.items()}


def _note(name: str, said: str) -> str:
    if not said:
        return ""
    found = _DEPRECATION.match(said)
    if found is None:
        raise PublicNameError(
            f"{name} is deprecated by {said!r}, which must begin: Deprecated since upnext 0.2, gone in 0.3: use ..."
        )
    return f" deprecated {found[1]} until {found[2]}"


def public_names() -> dict[str, str]:
    """Return every name and parameter of what docs/reference/api.md shows, with what its deprecation says."""
    page = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
    found = {name: name.rpartition(".") for name in _ON_PAGE.findall(page)}
    objects = {name: getattr(import_module(module), last) for name, (module, _, last) in found.items()}
    return {entry: said for name, each in objects.items() for entry, said in _entries(name, each)}


def _entries(name: str, found: object) -> Iterator[tuple[str, str]]:
    yield name, getattr(found, "__deprecated__", "")
    if callable(found):
        yield from ((f"{name}({parameter})", "") for parameter in _parameters(found))
    if inspect.isclass(found):
        for attribute in _attributes(found):
            yield f"{name}.{attribute}", ""
        for member in dir(found):
            home = next(each for each in found.__mro__ if member in vars(each) or each is object)
            is_shown = not member.startswith("_") and member != "declare_event"  # as the page is set
            if is_shown and home.__module__.startswith("upnext"):
                value = inspect.getattr_static(found, member)
                value = getattr(value, "__func__", getattr(value, "fget", value))
                yield f"{name}.{member}", getattr(value, "__deprecated__", "")
                if inspect.isfunction(value):
                    yield from ((f"{name}.{member}({each})", "") for each in _parameters(value))


def _parameters(function: object) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
    except ValueError:  # a class of C, or one that takes what its base takes
        return []
    return [each.name for each in parameters if each.name not in {"self", "cls"} and not each.name.startswith("_")]


def _attributes(found: type) -> list[str]:
    section = _ATTRIBUTES.search(inspect.getdoc(found) or "")
    return _ATTRIBUTE.findall(section[1]) if section else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
