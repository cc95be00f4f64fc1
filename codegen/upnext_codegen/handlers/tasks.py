"""Tasks, and which of them the runtime refuses when the module is imported."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, TypeAlias

from upnext_codegen import messages
from upnext_codegen.flow.calls import place_of_name
from upnext_codegen.handlers.declare import place_of
from upnext_codegen.handlers.formals import formals_of
from upnext_codegen.handlers.options import check_named_fields, read_options
from upnext_codegen.handlers.schedules import OPTIONS as OF_CRON
from upnext_codegen.handlers.schedules import check_schedule
from upnext_codegen.handlers.wrapped import is_wrapped
from upnext_codegen.handlers.yielding import yielding
from upnext_codegen.names import values
from upnext_codegen.names.evaluator import function_node
from upnext_codegen.names.scopes import Use
from upnext_codegen.records import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from upnext_codegen.findings import Finding
    from upnext_codegen.handlers.attach import Found
    from upnext_codegen.handlers.signatures import Signature, Signatures
    from upnext_codegen.names.evaluator import Evaluator
    from upnext_codegen.records import Reached

_Options: TypeAlias = tuple[ast.Call, Use]


def take_task(
    evaluator: Evaluator,
    signatures: Signatures,
    found: Found,
    made: values.Value,
    *,
    options: _Options | None,
    reached: Callable[[values.FunctionRef], tuple[Reached, ...]],
) -> None:
    """Record a task, and report its faults.

    Args:
        evaluator: Knows the values of names.
        signatures: Reads functions.
        found: Where the task goes.
        made: What the decorator or the call makes; anything but a task of a known name is passed over.
        options: The call with its options, None where there is none.
        reached: Finds the functions that a function calls.
    """
    if options is not None:
        found.findings += wrong_options(evaluator, *options)
    if not isinstance(made, values.TaskValue) or made.name is None or not isinstance(made.target, values.FunctionRef):
        return
    target = made.target
    definition = target.definition
    module = evaluator.lookup.modules.name_of(definition.file)
    signature = signatures.read(target)
    taken = (tuple(signature.parameters), signature.extras, signature.extras_place)
    found.tasks.append(Task(made.name, made.worker, module, place_of_name(definition), reached(target), *taken))
    found.findings += yielding(evaluator, target, "task")
    found.findings += (each for each in signature.findings if each.code == "UPN110")
    if not is_wrapped(evaluator, target):  # another decorator may change what the function takes
        found.findings += _refused_parameters(target, signature)
        if options is not None and _is_cron(evaluator, *options):
            needed = [each for each in signature.parameters if each.required]
            found.findings += (messages.needed_on_schedule(each.place, each.name, made.name) for each in needed)
        if options is not None and not signature.findings:
            fields = [each.name for each in signature.parameters]
            found.findings += check_named_fields(evaluator, *options, made.name, fields)


def wrong_options(evaluator: Evaluator, call: ast.Call, use: Use) -> list[Finding]:
    """Report options of `.task` or `.cron` that the runtime refuses."""
    if not _is_cron(evaluator, call, use):
        return read_options(evaluator, call, use, ".task")[1]
    return [*check_schedule(evaluator, call, use), *read_options(evaluator, call, use, ".cron", OF_CRON)[1]]


def _is_cron(evaluator: Evaluator, call: ast.Call, use: Use) -> bool:
    return isinstance(func := evaluator.value(call.func, use), values.Method) and func.name == "cron"


def _refused_parameters(target: values.FunctionRef, signature: Signature) -> Iterator[Finding]:
    """Report parameters that no payload fills, or that the runtime cannot check; type checkers report the rest."""
    use = Use(target.definition.scope)
    for formal in formals_of(function_node(target)):
        if formal.kind in {"positional", "args"}:
            name = formal.name if formal.kind == "positional" else f"*{formal.name}"
            yield messages.refused_parameter(place_of(use, formal.node), name, target.definition.name)
    yield from (finding for finding in signature.findings if finding.code == "UPN106")
