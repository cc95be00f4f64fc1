"""Reports what is wrong with a send in the words of the event.

mypy finds the same faults by the signature in the catalog. Whatever is reported here is removed from the signature
that mypy then checks the call with, so that each fault is reported once; where hooks are not called
(`f = event.send; f(...)`), mypy's own error remains.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from mypy.errorcodes import ErrorCode
from mypy.messages import format_type_bare, format_type_distinctly
from mypy.nodes import ARG_NAMED, ARG_NAMED_OPT, ARG_STAR, ARG_STAR2, ArgKind, CallExpr, Expression
from mypy.plugin import CheckerPluginInterface, MethodSigContext
from mypy.subtypes import is_subtype
from mypy.types import AnyType, CallableType, FunctionLike, Instance, Type, TypeOfAny, get_proper_type

from upnext_codegen.merging.nearness import NearNames
from upnext_mypy.codes import MISSING, TYPE, UNKNOWN, report
from upnext_mypy.field_requirements import FieldRequirements, requirements_of

_MOST_FIELDS = 10
_OPTIONS = frozenset({"delay", "at", "key"})
"""Options of sends, which other libraries take in the same call as the arguments."""
_TYPED_RECEIPT = re.compile(r"\bTypedReceipt\[\w+\]")
"""The class of receipts in the catalog, which users never write."""


@dataclass(slots=True)
class _Formal:
    """A parameter of `send`, and how mypy should check it."""

    name: str | None
    kind: ArgKind
    type: Type
    given: list[Expression]


def explain(method: str) -> Callable[[MethodSigContext], FunctionLike]:
    """Return the hook for one way to send.

    Args:
        method: "send", "send_sync", or "__call__" where those are objects.
    """

    def hook(ctx: MethodSigContext) -> FunctionLike:
        call = ctx.context
        requirements = requirements_of(ctx.type, method)
        if requirements is None or not isinstance(call, CallExpr):
            return ctx.default_signature
        if not set(call.arg_kinds) <= {ARG_NAMED, ARG_STAR2}:
            report(ctx.api, f'Event "{requirements.event}" takes its fields by keyword', call, UNKNOWN)
            return _anything(ctx.default_signature)
        return _Send(ctx.default_signature, ctx.args, call, requirements, ctx.api).explained()

    return hook


def _anything(signature: CallableType) -> CallableType:
    """Return a signature that accepts anything."""
    any_type = AnyType(TypeOfAny.from_error)
    return signature.copy_modified(  # pyright: ignore[reportUnknownMemberType]
        arg_names=[None, None], arg_kinds=[ARG_STAR, ARG_STAR2], arg_types=[any_type, any_type]
    )


class _Send:
    """One call of `send`."""

    def __init__(
        self,
        signature: CallableType,
        given: list[list[Expression]],
        call: CallExpr,
        requirements: FieldRequirements,
        api: CheckerPluginInterface,
    ) -> None:
        self._signature = signature
        self._formals = [
            _Formal(*formal)
            for formal in zip(signature.arg_names, signature.arg_kinds, signature.arg_types, given, strict=True)
        ]
        self._fields = {formal.name: formal for formal in self._formals if formal.name and formal.kind != ARG_STAR2}
        self._extras = next((formal for formal in self._formals if formal.kind == ARG_STAR2), None)
        self._misspelt: dict[str, str] = {}
        self._call = call
        self._requirements = requirements
        self._api = api

    def explained(self) -> CallableType:
        """Report errors, and return the signature without the parts they concern."""
        for name, value in zip(self._call.arg_names, self._call.args, strict=True):
            if name is not None and name not in self._fields:
                self._check_extra(name, value)
        for name, formal in self._fields.items():
            if formal.given:
                self._check_type(name, formal)
            elif formal.kind == ARG_NAMED:
                self._missing(name, formal)
        return self._signature.copy_modified(  # pyright: ignore[reportUnknownMemberType]
            arg_names=[formal.name for formal in self._formals],
            arg_kinds=[formal.kind for formal in self._formals],
            arg_types=[formal.type for formal in self._formals],
        )

    def _check_extra(self, name: str, value: Expression) -> None:
        """Check a field that no handler names: it may be invalid, or a misspelling of another."""
        left = [field for field, formal in self._fields.items() if not formal.given and field not in self._misspelt]
        near = next(iter(NearNames(left).nearest(name).names), None)
        if near is not None:
            self._misspelt[near] = name
        if self._extras is not None:
            if near is None:
                self._check_type(name, self._add(name, self._extras.type, [value]))
                return
            if self._fields[near].kind == ARG_NAMED:
                return  # The missing field is reported, with this one as a suggestion.
        self._add(name, AnyType(TypeOfAny.from_error), [value])
        self._unknown(name, near)

    def _unknown(self, name: str, near: str | None) -> None:
        message = f'Event "{self._requirements.event}" has no field "{name}"'
        if near is not None:
            self._fields[near].kind = ARG_NAMED_OPT
            self._report(f'{message}; did you mean "{near}"?', UNKNOWN, self._requirements.notes(near))
            return
        names = [f'"{field}"' for field in self._fields]
        more = len(names) - _MOST_FIELDS
        shown = ", ".join(names[:_MOST_FIELDS]) + (f" and {more} more" if more > 0 else "")
        notes = [f"options go before the send: .options({name}=...).send(...)"] if name in _OPTIONS else []
        self._report(message, UNKNOWN, [*notes, f"its fields are {shown}" if names else "it has none"])

    def _missing(self, name: str, formal: _Formal) -> None:
        formal.kind = ARG_NAMED_OPT
        written = format_type_bare(formal.type, self._api.options)
        notes = self._requirements.notes(name)
        if name in self._misspelt:
            notes.append(f'did you mean it by "{self._misspelt[name]}"?')
        self._report(f'Event "{self._requirements.event}" needs "{name}" ({written})', MISSING, notes)

    def _check_type(self, name: str, formal: _Formal) -> None:
        """Check a field passed by its name; what `**fields` holds is left to mypy."""
        if name not in self._call.arg_names:
            return
        value = self._call.args[self._call.arg_names.index(name)]
        # Errors inside the value are reported by mypy when it checks the call.
        with self._api.msg.filter_errors():
            actual = self._api.get_expression_type(value, type_context=formal.type)
        if is_subtype(actual, formal.type, options=self._api.options):
            return
        taken, passed = format_type_distinctly(formal.type, actual, options=self._api.options, bare=True)
        notes = [*self._requirements.notes(name), *self._awaited(actual, formal.type)]
        passed = _TYPED_RECEIPT.sub("Receipt", passed)
        message = f'Event "{self._requirements.event}" takes "{name}" as {taken}, not {passed}'
        report(self._api, message, value, TYPE, notes=notes, within=self._call)
        formal.type = AnyType(TypeOfAny.from_error)

    def _awaited(self, actual: Type, wanted: Type) -> list[str]:
        found = get_proper_type(actual)
        if not isinstance(found, Instance) or found.type.fullname != "typing.Coroutine":
            return []
        return ["an await is missing"] if is_subtype(found.args[2], wanted, options=self._api.options) else []

    def _add(self, name: str, written: Type, given: list[Expression]) -> _Formal:
        """Make mypy accept a field that the signature does not name."""
        added = _Formal(name, ARG_NAMED_OPT, written, given)
        at = len(self._formals) if self._extras is None else self._formals.index(self._extras)
        self._formals.insert(at, added)
        return added

    def _report(self, message: str, code: ErrorCode, notes: list[str]) -> None:
        report(self._api, message, self._call, code, notes=notes)
