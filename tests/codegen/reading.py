"""A project from source text, and what a scan says of it as lines of text."""

from __future__ import annotations

from pathlib import Path

from upnext_codegen.findings import Finding
from upnext_codegen.project import load_project
from upnext_codegen.records import Handler, Place, Scan
from upnext_codegen.scan import scan
from upnext_codegen.types import AnyType, ClassType, EnumMember, LiteralType, TupleType, Type, UnionType

HEAD = """\
import upnext
worker = upnext.Worker("shop")
placed = worker.event("order.placed")
"""


def write(root: Path, sources: str | dict[str, str]) -> Path:
    """Write a project; a single text is `app.py`, and `events.py` with the event `placed` is added unless given."""
    files = {"app.py": sources} if isinstance(sources, str) else dict(sources)
    files.setdefault("pyproject.toml", "")
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return root


def read(root: Path, sources: str | dict[str, str], *, prefilter: bool = True) -> tuple[Scan, tuple[Finding, ...]]:
    """Scan a project made from source text."""
    return scan(load_project(write(root, sources)), use_cache=False, prefilter=prefilter)


def lines(scanned: Scan, findings: tuple[Finding, ...]) -> list[str]:
    """Say everything that a scan found, a line each."""
    return [
        *[f"{where(each.place)} event {each.event} of {each.worker or '?'}" for each in scanned.declarations],
        *[handler(each) for each in scanned.handlers],
        *[f"{where(each.place)} {each.code} {each.message}" for each in findings],
    ]


def handler(each: Handler) -> str:
    """Say a handler on one line."""
    fields = [
        f"{one.name}{'' if one.required else '?'}: {spelt(one.type)}" if one.annotated else one.name
        for one in each.parameters
    ]
    extras = [] if each.extras is None else [f"**{spelt(each.extras)}"]
    return f"{where(each.place)} {each.event} of {each.worker or '?'}: {each.name}({', '.join([*fields, *extras])})"


def where(place: Place) -> str:
    """Say a place."""
    return f"{place.file}:{place.line}:{place.column}"


def spelt(written: Type) -> str:
    """Say a type."""
    match written:
        case AnyType():
            return "Any"
        case ClassType("builtins", name, ()):
            return name
        case ClassType(module, name, args):
            full = name if module == "builtins" else f"{module}.{name}"
            return f"{full}[{', '.join(map(spelt, args))}]" if args else full
        case TupleType((item,), True):
            return f"tuple[{spelt(item)}, ...]"
        case TupleType(items):
            return f"tuple[{', '.join(map(spelt, items))}]"
        case LiteralType(values):
            shown = [
                f"{each.module}.{each.qualname}.{each.member}" if isinstance(each, EnumMember) else repr(each)
                for each in values
            ]
            return f"Literal[{', '.join(shown)}]"
        case UnionType(members):
            return " | ".join(map(spelt, members))
