"""Where snippets of the page are performed: names that they share, and a worker that runs what they declare."""

from __future__ import annotations

import ast
import asyncio
import gc
import inspect
from types import TracebackType
from typing import Any, Self

import upnext
from tests.events_page.page import PAGE, Snippet
from upnext.runner.service import Service


class Stage:
    """Performs snippets one after the other, as one module.

    Every worker and API among the names runs from the first `await` of a snippet on, or from `serve()` on; it stops
    with the `with` block.
    """

    def __init__(self, **names: Any) -> None:
        # Sends are checked against every handler in the process. Those of earlier tests are in cycles.
        gc.collect()
        self.names: dict[str, Any] = {"__name__": "events_page", **names}
        self._service: Service | None = None
        self._running: asyncio.Task[None] | None = None

    def __getattr__(self, name: str) -> Any:
        return self.names[name]

    async def perform(self, *snippets: Snippet) -> Any:
        """Run snippets; returns the value of the last statement, if that is an expression."""
        value: Any = None
        for snippet in snippets:
            tree = ast.increment_lineno(ast.parse(snippet.python), snippet.line - 1)
            for statement in tree.body:
                value = await self._perform(statement)
        return value

    async def _perform(self, statement: ast.stmt) -> Any:
        is_value = isinstance(statement, ast.Expr)
        tree = ast.Expression(statement.value) if is_value else ast.Module([statement], [])
        code = compile(tree, "page.txt", "eval" if is_value else "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if not code.co_flags & inspect.CO_COROUTINE:
            return eval(code, self.names)
        await self.serve()
        return await eval(code, self.names)

    async def serve(self) -> None:
        """Run the workers and APIs, if they do not run yet; returns when the workers take jobs."""
        if self._running is not None:
            return
        members = [value for value in self.names.values() if isinstance(value, upnext.Worker | upnext.Api)]
        self._service = Service(members)
        self._running = asyncio.create_task(self._service.run())
        ready = asyncio.create_task(self._service.ready())
        await asyncio.wait([self._running, ready], return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            await self._running

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._service is not None and self._running is not None:
            self._service.stop()
            await self._running
        # What is kept of a finished fixture must not keep its handlers.
        self._service = self._running = None
        self.names.clear()


async def with_events(stage: Stage) -> Stage:
    """Perform what most snippets take for granted: the worker of the top, and the events of "Define an event"."""
    await stage.perform(PAGE.snippets("")[0].until("order_placed"), *PAGE.snippets("Define an event"))
    return stage
