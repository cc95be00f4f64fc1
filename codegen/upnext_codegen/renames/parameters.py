"""A parameter of a function, and the uses of it in the body."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from upnext_codegen.fixes.source import requoted
from upnext_codegen.reading.own_names import looks_at_own_names
from upnext_codegen.records import Place
from upnext_codegen.renames.edits import text_of, walk
from upnext_codegen.renames.plan import Undecided

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.renames.edits import Edits

_SCOPES = (cst.FunctionDef, cst.Lambda, cst.ClassDef, cst.ListComp, cst.SetComp, cst.DictComp, cst.GeneratorExp)
_FIELD_OPTIONS = frozenset({"by", "unique"})
"""Options of a handler that name fields of it."""
_DICT_LOOKUPS = frozenset({"get", "pop", "setdefault"})


class Body(NamedTuple):
    """The uses of a parameter in a function.

    Attributes:
        names: Where it is used, in the body.
        undecided: What may depend on its name.
        blocked: What stands in the way of another name.
    """

    names: list[cst.Name]
    undecided: list[Undecided]
    blocked: list[Undecided]


def parameter(function: cst.FunctionDef, name: str) -> cst.Param | None:
    """Return a parameter that can be passed by keyword."""
    params = function.params
    return next((each for each in (*params.params, *params.kwonly_params) if each.name.value == name), None)


def _parameters(function: cst.FunctionDef) -> list[cst.Param]:
    params = function.params
    stars = [each for each in (params.star_arg, params.star_kwarg) if isinstance(each, cst.Param)]
    return [*params.posonly_params, *params.params, *params.kwonly_params, *stars]


def body_of(file: Edits, function: cst.FunctionDef, old: str, new: str) -> Body:
    """Find every use of a parameter, and conflicts with its new name."""
    found = Body([], [], [])
    passed_over = _no_variables(function)
    # Names in annotations, defaults and decorators belong to the scope outside of the function.
    for node in (*(each.name for each in _parameters(function)), *walk(function.body)):
        if isinstance(node, cst.Name) and node.value == new and node not in passed_over:
            reason = f"{new!r} has a meaning in this function already: choose another name"
            found.blocked.append(_at(file, node, reason))
    for node in walk(function.body):
        if isinstance(node, cst.Name) and node.value == old and node not in passed_over:
            found.names.append(node)
        elif isinstance(node, _SCOPES) and _binds(node, old):
            reason = f"{old!r} is something else in here: rename that first"
            found.blocked.append(_at(file, node, reason))
        elif isinstance(node, cst.ImportAlias) and (node.evaluated_alias or node.evaluated_name) == old:
            found.blocked.append(_at(file, node, f"this gives {old!r} another meaning: rename that first"))
        elif looks_at_own_names(node):
            found.undecided.append(_at(file, node, f"this may look {old!r} up by its name: see what it does"))
        elif isinstance(node, cst.FormattedStringExpression) and node.equal is not None and _is(node.expression, old):
            found.undecided.append(_at(file, node, f"this text names {old!r}, and names {new!r} then"))
    return found


def keys_in(function: cst.FunctionDef, fields: str, key: str) -> Iterator[cst.SimpleString]:
    """Yield the texts by which a function looks up keys in the dict of its further fields."""
    return (text for name, text in _lookups(function) if name.value == fields and text_of(text) == key)


def other_uses(function: cst.FunctionDef, fields: str) -> Iterator[cst.Name]:
    """Yield where a function uses the dict of its further fields for anything but visible lookups."""
    looked_up = {name for name, _ in _lookups(function)}
    no_variables = _no_variables(function)
    for node in walk(function.body):
        if isinstance(node, cst.Name) and node.value == fields and node not in looked_up | no_variables:
            yield node


def _lookups(function: cst.FunctionDef) -> Iterator[tuple[cst.Name, cst.SimpleString]]:
    """Yield the names in which a text is looked up as in a dict, with the texts."""
    for node in walk(function.body):
        match node:
            case cst.Subscript(value=cst.Name() as name, slice=[cst.SubscriptElement(slice=cst.Index(value=text))]):
                pass
            case cst.Call(func=cst.Attribute(value=cst.Name() as name, attr=attr), args=[cst.Arg(value=text), *_]):
                if attr.value not in _DICT_LOOKUPS:
                    continue
            case cst.Comparison(left=text, comparisons=[cst.ComparisonTarget(operator, cst.Name() as name)]):
                if not isinstance(operator, cst.In | cst.NotIn):
                    continue
            case _:
                continue
        if isinstance(text, cst.SimpleString):
            yield name, text


def naming_options(function: cst.FunctionDef | None, calls: list[cst.Call], field: str) -> Iterator[cst.SimpleString]:
    """Yield the texts by which options name a field: `@placed.on(rate="9/minute", by="customer")`.

    Args:
        function: A function whose decorators have options.
        calls: Calls that have some.
        field: The field.
    """
    decorators = () if function is None else [each.decorator for each in function.decorators]
    for call in (*calls, *(each for each in decorators if isinstance(each, cst.Call))):
        for each in call.args:
            if each.keyword is not None and each.keyword.value in _FIELD_OPTIONS:
                texts = (node for node in walk(each.value) if isinstance(node, cst.SimpleString))
                yield from (text for text in texts if text_of(text) == field)


def respell(file: Edits, text: cst.SimpleString, new: str) -> None:
    """Change the value of a literal, but not its quotes."""
    file.replace(text, requoted(text, new).value)


def _no_variables(function: cst.FunctionDef) -> set[cst.CSTNode]:
    found: set[cst.CSTNode] = set()
    for node in walk(function):
        match node:
            case cst.Arg(keyword=cst.Name() as name) | cst.Attribute(attr=name) | cst.MatchKeywordElement(key=name):
                found.add(name)
            case cst.ImportFrom(module=cst.CSTNode() as module):
                found.update(walk(module))
            case _:
                pass
    return found


def _binds(scope: cst.CSTNode, name: str) -> bool:
    """Whether a scope inside a function rebinds a name."""
    nodes = walk(scope)
    if any(isinstance(node, cst.Nonlocal) and any(_is(each.name, name) for each in node.names) for node in nodes):
        return False
    for node in nodes:
        match node:
            case cst.Param(name=bound) | cst.CompFor(target=bound):
                pass
            case cst.AssignTarget(target=bound) | cst.AnnAssign(target=bound) | cst.AugAssign(target=bound):
                if not isinstance(scope, cst.FunctionDef | cst.ClassDef):
                    continue
            case cst.For(target=bound) | cst.NamedExpr(target=bound) | cst.AsName(name=bound):
                pass
            case cst.FunctionDef(name=bound) | cst.ClassDef(name=bound):
                pass
            case _:
                continue
        if any(_is(each, name) for each in walk(bound)) and not isinstance(bound, cst.Attribute | cst.Subscript):
            return True
    return False


def _is(node: cst.CSTNode, name: str) -> bool:
    return isinstance(node, cst.Name) and node.value == name


def _at(file: Edits, node: cst.CSTNode, reason: str) -> Undecided:
    return Undecided(Place(file.file, *file.place_of(node)), reason)
