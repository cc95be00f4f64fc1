"""Changes to the parameters of a handler."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

import libcst as cst

from upnext_codegen.reading.own_names import looks_at_own_names

if TYPE_CHECKING:
    from collections.abc import Iterator

_Last: TypeAlias = cst.Param | cst.ParamSlash
_NAMES = ("kwargs", "_kwargs")
_OTHER_OBJECT = re.compile(
    r"\b(?:def|class|as|import|for)\s+object\b|^\s*object\s*[,:]|\bobject\s*(?::=|=(?!=))|import \*", re.MULTILINE
)
"""What may give the name `object` another meaning, or is too close to tell."""


def may_redefine_object(text: str) -> bool:
    """Return whether `object` may have another meaning in a file."""
    return _OTHER_OBJECT.search(text) is not None


def opened(function: cst.FunctionDef, module: cst.Module) -> cst.FunctionDef | None:
    """Add `**kwargs: object`; None if there is something like it already, or a name is taken.

    So it is where the function looks at its own names, and would find another one.
    """
    params = function.params
    if any(map(looks_at_own_names, _all_in(function.body))):
        return None
    taken = set(re.findall(r"\w+", module.code_for_node(function)))
    name = next((each for each in _NAMES if each not in taken), None)
    if params.star_kwarg is not None or name is None:
        return None
    added = cst.Param(cst.Name(name), cst.Annotation(cst.Name("object")), star="**")
    every = _in_order(params)
    if not every:
        return function.with_changes(params=params.with_changes(star_kwarg=added))
    last = every[-1]
    comma = last.comma if isinstance(last.comma, cst.Comma) else None
    closing = comma.whitespace_after if comma else _after(last)
    before = every[-2].comma if len(every) > 1 else None
    between = before.whitespace_after if isinstance(before, cst.Comma) else function.whitespace_before_params
    kept, closing = _apart(_between(between, closing), closing)
    bare = _with_after(last.with_changes(comma=cst.Comma(whitespace_after=kept)), cst.SimpleWhitespace(""))
    if comma:
        added = added.with_changes(comma=comma.with_changes(whitespace_after=closing))
    else:
        added = added.with_changes(whitespace_after_param=closing)
    return function.with_changes(params=_with_last(params, last, bare).with_changes(star_kwarg=added))


def without_slash(function: cst.FunctionDef) -> cst.FunctionDef | None:
    """Let positional-only parameters be passed by keyword; None if there are none, or a comment would be lost."""
    params, slash = function.params, function.params.posonly_ind
    if not isinstance(slash, cst.ParamSlash) or not params.posonly_params:
        return None
    *others, last = params.posonly_params
    followed = bool(params.params or params.kwonly_params or params.star_kwarg) or not isinstance(
        params.star_arg, cst.MaybeSentinel
    )
    if any(_holds_comment(each) for each in (slash, last.comma) if isinstance(each, cst.CSTNode)):
        return None
    if not followed:
        last = last.with_changes(comma=slash.comma, whitespace_after_param=slash.whitespace_after)
    return function.with_changes(
        params=params.with_changes(
            posonly_params=(), posonly_ind=cst.MaybeSentinel.DEFAULT, params=(*others, last, *params.params)
        )
    )


def _in_order(params: cst.Parameters) -> list[_Last]:
    """The parameters in the order of the signature, including a final `/`; a bare `*` is never the last."""
    found: list[_Last] = [*params.posonly_params]
    if isinstance(params.posonly_ind, cst.ParamSlash):
        found.append(params.posonly_ind)
    found += params.params
    if isinstance(params.star_arg, cst.Param):
        found.append(params.star_arg)
    return [*found, *params.kwonly_params]


def _with_last(params: cst.Parameters, last: _Last, bare: _Last) -> cst.Parameters:
    """Put another parameter, or `/`, in place of the last one."""
    if params.kwonly_params:
        return params.with_changes(kwonly_params=(*params.kwonly_params[:-1], bare))
    if params.star_arg is last:
        return params.with_changes(star_arg=bare)
    if params.params:
        return params.with_changes(params=(*params.params[:-1], bare))
    if params.posonly_ind is last:
        return params.with_changes(posonly_ind=bare)
    return params.with_changes(posonly_params=(*params.posonly_params[:-1], bare))


def _after(last: _Last) -> cst.BaseParenthesizableWhitespace:
    return last.whitespace_after if isinstance(last, cst.ParamSlash) else last.whitespace_after_param


def _with_after(last: _Last, space: cst.BaseParenthesizableWhitespace) -> _Last:
    name = "whitespace_after" if isinstance(last, cst.ParamSlash) else "whitespace_after_param"
    return last.with_changes(**{name: space})


def _between(
    between: cst.BaseParenthesizableWhitespace, closing: cst.BaseParenthesizableWhitespace
) -> cst.BaseParenthesizableWhitespace:
    """The text between two parameters: a line break if the signature has one before each."""
    if isinstance(between, cst.ParenthesizedWhitespace) and isinstance(closing, cst.ParenthesizedWhitespace):
        return between.with_changes(first_line=cst.TrailingWhitespace(), empty_lines=())
    return cst.SimpleWhitespace(" ")


def _apart(
    kept: cst.BaseParenthesizableWhitespace, closing: cst.BaseParenthesizableWhitespace
) -> tuple[cst.BaseParenthesizableWhitespace, cst.BaseParenthesizableWhitespace]:
    """Keep a comment behind the last parameter in place, before the new one."""
    if not isinstance(closing, cst.ParenthesizedWhitespace) or not _holds_comment(closing):
        return kept, closing
    indent = kept.last_line if isinstance(kept, cst.ParenthesizedWhitespace) else closing.last_line
    first = closing.with_changes(last_line=indent)
    return first, closing.with_changes(first_line=cst.TrailingWhitespace(), empty_lines=())


def _holds_comment(node: cst.CSTNode) -> bool:
    return any(isinstance(each, cst.Comment) for each in _all_in(node))


def _all_in(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting += current.children
