"""The contents of lists, dicts and namespaces, at any depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext_codegen.names.values import ContainerValue, Namespace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from upnext_codegen.names.values import Value


def contained(value: Value, items: Callable[[ContainerValue], list[Value]]) -> Iterator[Value]:
    """Yield everything in a value that is not a container itself; of any other value, that value.

    Args:
        value: The value.
        items: Gives what is in one container (`Evaluator.items`). A container can be in itself, and is opened once.
    """
    opened: set[Value] = set()
    waiting = [value]
    while waiting:
        current = waiting.pop()
        held = current.items if isinstance(current, Namespace) else current
        if not isinstance(held, ContainerValue):
            yield held
        elif held not in opened:
            opened.add(held)
            waiting += reversed(items(held))
