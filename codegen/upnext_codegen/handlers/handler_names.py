"""The names of handlers: set by an option, or taken from the function as upnext sees it.

Decorators below upnext's own, and the file itself, may rename a function.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from upnext_codegen import messages
from upnext_codegen.handlers import option_messages
from upnext_codegen.handlers.declare import is_handler_name, is_known_not_to_be_text, place_of, shown_value
from upnext_codegen.handlers.wrapped import own_decorators
from upnext_codegen.names import values
from upnext_codegen.names.evaluator import Argument, assigned_by_name, function_node, is_none
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import FunctionDefinition, Use

if TYPE_CHECKING:
    from upnext_codegen.findings import Finding
    from upnext_codegen.handlers.signatures import Signature
    from upnext_codegen.names.evaluator import Evaluator
    from upnext_codegen.names.scopes import Scope
    from upnext_codegen.records import Place


def handler_name(
    evaluator: Evaluator,
    findings: list[Finding],
    attached: tuple[tuple[ast.Call, Use] | None, values.FunctionRef, Signature],
    place: Place,
) -> str:
    """The name of a handler; that of its function if unknown or not given.

    Args:
        evaluator: Knows the values of names.
        findings: Gets what is wrong with the name.
        attached: The call with the options, the function, and what it takes.
        place: Where it is attached.
    """
    options, target, signature = attached
    arguments = evaluator.arguments(*options) if options else ()
    given = next((each for each in arguments if each.keyword == "name" and not is_none(each.value)), None)
    if options is not None and given is not None:
        return _given(evaluator, findings, options, given, place) or target.definition.name
    if any(each.keyword == "**" for each in arguments):
        findings.append(messages.unknown_handler_name(place))
    elif all(each.code != "UPN110" for each in signature.findings):
        name = name_at_run_time(evaluator, target)
        if name is not None:
            return name
        findings.append(messages.unknown_handler_name(place))
    return target.definition.name


def _given(
    evaluator: Evaluator, findings: list[Finding], options: tuple[ast.Call, Use], given: Argument, place: Place
) -> str | None:
    name = evaluator.text(given)
    if name is None and not is_known_not_to_be_text(evaluator, given):
        findings.append(messages.unknown_handler_name(place))
    elif name is None or not is_handler_name(name):
        shown = shown_value(evaluator, given) if name is None else messages.shown(name)
        at = place_of(options[1], given.node)
        findings.append(option_messages.bad_option(at, "name", shown, messages.NAME_RULE, typed=name is None))
        return None
    return name


def name_at_run_time(evaluator: Evaluator, function: values.FunctionRef) -> str | None:
    """The `__name__` of a function when upnext receives it, None if unknown.

    Args:
        evaluator: Knows the values of names.
        function: The function.
    """
    definition = function.definition
    if "__name__" in definition.scope.module.text.text and "__name__" in assigned_by_name(definition):
        return None
    name: str | None = definition.name
    for decorator in reversed(own_decorators(evaluator, function)):
        use = Use(definition.scope, decorator.lineno, definition.branches)
        name = _decorated(evaluator, decorator, use, name)
    return name


def _decorated(evaluator: Evaluator, decorator: ast.expr, use: Use, name: str | None) -> str | None:
    """The name of a decorator's result."""
    if isinstance(decorator, ast.Call) and _is_wraps(evaluator, decorator, use):
        return _wrapped(evaluator, decorator, use)
    found = evaluator.value(decorator, use)
    if not isinstance(found, values.FunctionRef) or not evaluator.body_of(found).returns:
        return name  # Decorators from other packages mostly keep it, through `functools.wraps`.
    body = evaluator.body_of(found)
    node = function_node(found)
    if any(isinstance(each, ast.Attribute) and each.attr == "__name__" for each in _assigned(node)):
        return None
    own = {each.arg for each in (*node.args.posonlyargs, *node.args.args)}
    names = {_of_inner(evaluator, each.node, body, own, name) for each in body.returns}
    return names.pop() if len(names) == 1 else None


def _of_inner(evaluator: Evaluator, returned: ast.expr, body: Scope, own: set[str], name: str | None) -> str | None:
    """The name of a function that a decorator returns: its own, unless `functools.wraps` copies another one's."""
    found = body.definitions.get(returned.id, []) if isinstance(returned, ast.Name) else []
    binding = found[-1].binding if found else None
    if not isinstance(binding, FunctionDefinition):
        return name
    for each in binding.node.decorator_list:
        use = Use(body, each.lineno)
        if not isinstance(each, ast.Call) or not _is_wraps(evaluator, each, use):
            return name
        given = each.args[0] if each.args else None
        assigned = each.args[1:2] or [one.value for one in each.keywords if one.arg in {"assigned", None}]
        is_renamed = not assigned or _assigns_name(assigned[0])
        if not is_renamed:
            return None if is_renamed is None else binding.node.name
        return name if isinstance(given, ast.Name) and given.id in own else _wrapped(evaluator, each, use)
    return name if _is_updated(body, found[-1].name) else binding.node.name


def _assigns_name(assigned: ast.expr) -> bool | None:
    """Whether `functools.wraps(function, assigned)` copies the name as well, None if unknown."""
    texts = assigned.elts if isinstance(assigned, ast.Tuple | ast.List) else [assigned]
    known = [each.value for each in texts if isinstance(each, ast.Constant)]
    return "__name__" in known if len(known) == len(texts) else None


def _is_updated(body: Scope, name: str) -> bool:
    """Whether a decorator passes the function that it returns to a call, such as `functools.update_wrapper`."""
    calls = [each for one in body.expressions for each in ast.walk(one.node) if isinstance(each, ast.Call)]
    return any(isinstance(given, ast.Name) and given.id == name for call in calls for given in call.args)


def _is_wraps(evaluator: Evaluator, call: ast.Call, use: Use) -> bool:
    found = evaluator.value(call.func, use)
    return isinstance(found, ExternalName) and found.name == "functools.wraps"


def _wrapped(evaluator: Evaluator, call: ast.Call, use: Use) -> str | None:
    """The name that `functools.wraps(other)` copies."""
    other = evaluator.value(call.args[0], use) if call.args else values.UNKNOWN
    if isinstance(other, values.HandlerValue):
        other = other.target
    if not isinstance(other, values.FunctionRef) or call.keywords or len(call.args) > 1:
        return None
    return name_at_run_time(evaluator, other)


def _assigned(node: ast.AST) -> list[ast.expr]:
    found: list[ast.expr] = []
    for each in ast.walk(node):
        match each:
            case ast.Assign(targets):
                found += targets
            case ast.Call(ast.Name("setattr"), [target, ast.Constant(str() as attr), *_]):
                found.append(ast.Attribute(target, attr, ast.Store()))
            case _:
                pass
    return found
