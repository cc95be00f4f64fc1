"""Keeps the context variables of calls in threads in step with those of the task that waits for them."""

from __future__ import annotations

import contextvars
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_UNSET: Any = object()


class ThreadContext:
    """The shared context of several calls that a task makes in threads, one after the other.

    A context manager that sets a variable as it is entered and resets it as it is left needs the same context for both:
    a token is of use in its own alone. What a call sets, the task has afterwards, and so has whatever it calls next.
    """

    def __init__(self) -> None:
        self._context = contextvars.copy_context()
        self._before = self._context
        self._tokens: dict[contextvars.ContextVar[Any], contextvars.Token[Any]] = {}

    def bind(self, call: Callable[[], T]) -> Callable[[], T]:
        """Return a callable that makes a call in this context, with the task's current variables."""
        own, task = self._context, contextvars.copy_context()
        changed = {variable: task[variable] for variable in task if own.get(variable, _UNSET) is not task[variable]}

        def bound() -> T:
            for variable, value in changed.items():
                variable.set(value)
            self._before = contextvars.copy_context()
            return call()

        # Entered in the thread: an earlier call whose wait has ended may still be in it.
        return lambda: own.run(bound)

    def run(self, call: Callable[[], T]) -> T:
        """Make a call in this context as it is, in the thread of the last call or after it has ended."""
        return self._context.run(call)

    def carry_back(self) -> None:
        """Copy the variables that the last call has set, once it has returned, to the task that made it."""
        own, before = self._context, self._before
        for variable in own:
            if before.get(variable, _UNSET) is not own[variable]:
                token = variable.set(own[variable])
                if token.old_value is contextvars.Token.MISSING:
                    self._tokens[variable] = token
        for variable in [variable for variable in self._tokens if variable not in own]:
            # In a context copied from the task's since then (by a task started meanwhile), it stays set.
            with suppress(ValueError):
                variable.reset(self._tokens.pop(variable))
