"""Contracts in short: `order.placed(order_id: str, note: str = ..., **object) <- shop send`."""

from __future__ import annotations

import ast
import json
from pathlib import Path

from upnext_codegen.escaped_text import quote

_SENDS = "Send"


def of_lock(lock: Path) -> str:
    """Return the contracts that a lock holds, one line an event; nothing where there is no lock."""
    if not lock.exists():
        return ""
    events = json.loads(lock.read_text(encoding="utf-8"))["events"]
    return "".join(f"{_event(name, events[name])}\n" for name in sorted(events))


def _event(name: str, event: dict) -> str:
    if not event["handlers"]:
        return f"{name}: no handler"
    fields = event["fields"]
    shown = [
        f"{field}: {fields[field]['type']}{'' if fields[field]['required'] else ' = ...'}"
        for field in sorted(fields, key=lambda each: (not fields[each]["required"], each))
    ]
    extras = [] if event["extras"] is None else [f"**{event['extras']}"]
    return f"{name}({', '.join([*shown, *extras])}) <- {', '.join(sorted(event['handlers']))}"


def of_stub(stub: Path) -> str:
    """Return the sends that a stub declares, one line an event, as checkers read them, with full names."""
    tree = ast.parse(stub.read_text(encoding="utf-8"))
    named = _FullNames(tree)
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    events = sorted(_overload(node) for node in classes["Catalog"].body if _is_overload(node))
    typed = [(name, classes[f"{owner}{_SENDS}"]) for name, owner in events if owner in classes]
    return "".join(f"{name}({_parameters(owner, named)})\n" for name, owner in typed)


class _FullNames(ast.NodeTransformer):
    """Writes the types of a stub as the lock does."""

    def __init__(self, tree: ast.Module) -> None:
        self.names: dict[str, str] = {}
        for node in tree.body:
            if isinstance(node, ast.Import):
                self.names |= {each.asname or each.name: each.name for each in node.names}
            elif isinstance(node, ast.ImportFrom):
                self.names |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}

    def visit_Name(self, node: ast.Name) -> ast.Name:
        name = self.names.get(node.id, node.id)
        return ast.Name(name.removeprefix("typing.") if name in {"typing.Any", "typing.Literal"} else name)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return ast.Name(quote(node.value)) if isinstance(node.value, str) else node


def _is_overload(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and "Literal[" in ast.unparse(node.args.args[1])


def _overload(node: ast.stmt) -> tuple[str, str]:
    assert isinstance(node, ast.FunctionDef)
    assert isinstance(node.args.args[1].annotation, ast.Subscript)
    assert node.returns is not None
    return str(ast.literal_eval(node.args.args[1].annotation.slice)), ast.unparse(node.returns)


def _parameters(owner: ast.ClassDef, named: _FullNames) -> str:
    _, send, sync = owner.body  # the first tells the mypy plugin who asks for what
    assert isinstance(send, ast.AsyncFunctionDef)
    assert isinstance(sync, ast.FunctionDef)
    arguments = send.args
    assert ast.unparse(arguments) == ast.unparse(sync.args)
    assert len(arguments.posonlyargs) == 1
    assert not arguments.args
    shown = [
        f"{argument.arg}: {_type(argument, named)}{'' if default is None else ' = ...'}"
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    extras = [] if arguments.kwarg is None else [f"**{_type(arguments.kwarg, named)}"]
    return ", ".join([*shown, *extras])


def _type(argument: ast.arg, named: _FullNames) -> str:
    assert argument.annotation is not None
    return ast.unparse(named.visit(argument.annotation))
