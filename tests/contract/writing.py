"""Handlers and types for tests, written as Python would write them."""

from __future__ import annotations

import ast
import textwrap

from upnext_codegen.contract import EventContract
from upnext_codegen.findings import Finding
from upnext_codegen.merging.merge import Merged, merge
from upnext_codegen.merging.subtyping import Hierarchy
from upnext_codegen.output.as_text import finding_lines
from upnext_codegen.output.paint import Paint
from upnext_codegen.records import Handler, Parameter, Place
from upnext_codegen.types import (
    ANY,
    NONE,
    ClassFacts,
    ClassType,
    EnumMember,
    LiteralType,
    LiteralValue,
    TupleType,
    Type,
    UnionType,
)
from upnext_codegen.types.format import short_name, spell

_MODULES = {
    **dict.fromkeys(
        [
            "Collection",
            "Container",
            "Iterable",
            "Mapping",
            "MutableMapping",
            "MutableSequence",
            "Sequence",
            "Set",
        ],
        "collections.abc",
    ),
    **dict.fromkeys(["Counter", "OrderedDict", "defaultdict", "deque"], "collections"),
    **dict.fromkeys(["StrEnum", "IntEnum", "IntFlag"], "enum"),
    **dict.fromkeys(["Path", "PosixPath", "PurePath"], "pathlib"),
    **dict.fromkeys(["date", "datetime"], "datetime"),
    "Decimal": "decimal",
    "UUID": "uuid",
}


def written(text: str) -> Type:
    """Read a type; names that are not known to the standard library are classes of `shop.models`."""
    return _type(ast.parse(text, mode="eval").body)


def _type(node: ast.expr) -> Type:
    match node:
        case ast.Constant(value=None):
            return NONE
        case ast.Name(id="Any"):
            return ANY
        case ast.Name(id=name):
            module = "builtins" if name.islower() and name not in _MODULES else "shop.models"
            return ClassType(_MODULES.get(name, module), name)
        case ast.BinOp(left=left, right=right):
            return UnionType((_type(left), _type(right)))
        case ast.Subscript(value=ast.Name(id=head), slice=inner):
            items = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return _generic(head, items)
        case _:
            raise AssertionError(ast.unparse(node))


def _generic(head: str, items: list[ast.expr]) -> Type:
    if head == "Literal":
        return LiteralType(tuple(_value(item) for item in items))
    if head == "tuple" and isinstance(items[-1], ast.Constant) and items[-1].value is ...:
        return TupleType((_type(items[0]),), variadic=True)
    inner = tuple(_type(item) for item in items)
    if head == "tuple":
        return TupleType(inner)
    plain = _type(ast.Name(head))
    assert isinstance(plain, ClassType)
    return ClassType(plain.module, plain.qualname, inner)


def _value(node: ast.expr) -> LiteralValue:
    if isinstance(node, ast.Attribute):
        return EnumMember("shop.models", ast.unparse(node.value), node.attr)
    value = ast.literal_eval(node)
    assert value is None or isinstance(value, str | bytes | int)
    return value


def _of(bases: str = "", kind: str = "class", **parameters: str) -> ClassFacts:
    found = tuple(written(base) for base in bases.split(";") if base)
    return ClassFacts(bases=found, kind=kind, type_parameters=tuple(parameters.items()))


MODELS = Hierarchy(
    {
        f"shop.models:{name}": facts
        for name, facts in {
            "A": _of(),
            "B": _of(),
            "Both": _of("A;B"),
            "Money": _of(kind="model"),
            "Price": _of("Money", kind="model"),
            "UserId": _of("str", kind="newtype"),
            "AdminId": _of("UserId", kind="newtype"),
            "Color": _of("StrEnum", kind="enum"),
            "Level": _of("IntEnum", kind="enum"),
            "Ids": _of("list[int]"),
            "Box": _of("list[T]", T="invariant"),
            "Source": _of(T="covariant"),
            "Point": _of("tuple[int, int]", kind="namedtuple"),
            "Line": _of(kind="typeddict"),
            "LongLine": _of("Line", kind="typeddict"),
        }.items()
    }
)
"""The classes that tests may name."""


def handler(
    text: str,
    *,
    event: str = "order.placed",
    worker: str = "shop",
    file: str = "shop/handlers.py",
    line: int = 1,
) -> Handler:
    """Read a handler from its `def` line without `def` and body: `reserve(quantity: int = 1, **kwargs)`."""
    source = f"def {text}: ..."
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    arguments = function.args
    positional = [*arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    pairs = [
        *zip(positional, [*defaults, *arguments.defaults], strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    extras = arguments.kwarg
    return Handler(
        event=event,
        worker=worker,
        name=function.name,
        module=file.removesuffix(".py").replace("/", "."),
        parameters=tuple(
            Parameter(
                name=argument.arg,
                type=_annotation(argument),
                annotated=argument.annotation is not None,
                required=default is None,
                place=Place(file, line, argument.col_offset + 1),
            )
            for argument, default in pairs
        ),
        extras=None if extras is None else _annotation(extras),
        extras_place=None if extras is None else Place(file, line, extras.col_offset + 1),
        place=Place(file, line, 5),
    )


def _annotation(argument: ast.arg) -> Type:
    if argument.annotation is None:
        return ANY
    found = _type(argument.annotation)
    return ANY if found == ClassType("builtins", "object") else found


def handlers(text: str) -> list[Handler]:
    """Read handlers, one a line, each at its line of the text."""
    lines = textwrap.dedent(text).strip("\n").splitlines()
    return [handler(each, line=number) for number, each in enumerate(lines, 1)]


def merged(text: str, *, open_to_extras: bool = True) -> Merged:
    """Merge handlers, one a line."""
    return merge("order.placed", handlers(text), MODELS, open_to_extras=open_to_extras)


def signature(contract: EventContract) -> str:
    """Write what a send must give, as Python would."""
    fields = [
        f"{field.name}: {spell(field.type, short_name)}{'' if field.required else ' = ...'}"
        for field in contract.fields
    ]
    extras = [] if contract.extras is None else [f"**: {spell(contract.extras, short_name)}"]
    return ", ".join([*fields, *extras])


def said(findings: tuple[Finding, ...]) -> str:
    """Write findings as the command line does."""
    return "\n".join(line for finding in findings for line in finding_lines(finding, Paint()))
