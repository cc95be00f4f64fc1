"""For Django tests: captures sends, and runs their handlers inside the test's transaction.

```python
class OrderTests(CapturedSendsMixin, TestCase):
    def test_an_order_is_confirmed(self):
        self.client.post("/orders", {"number": 1})
        assert self.sent.one(order_placed).fields == {"number": 1}
        self.sent.run_sync()
        assert Order.objects.get(number=1).is_confirmed
```
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from unittest import TestCase

from asgiref.sync import async_to_sync, sync_to_async

from upnext.transport import use_transport
from upnext_pytest.sends import Sends, Sent

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import ParamSpec
    from unittest import TestResult

    P = ParamSpec("P")

__all__ = ["CapturedSends", "CapturedSendsMixin", "Sent", "captured_sends"]

T = TypeVar("T")


class CapturedSends(Sends):
    """All sends of a test, in order, checked as usual; nothing reaches a server or an outbox.

    `run_sync()`, or `await run()` in a test that is async, runs the handlers of what was sent. They use the models in
    the test's thread and so in its transaction, those that are not async as well.
    """

    def __init__(self) -> None:
        super().__init__(threads=_ThreadOfTest())

    def run_sync(self) -> None:
        """Run the handlers of all sends that have not run yet, and of what they send, once each and in order.

        Raises:
            Exception: What a handler raises, as it is; those behind it have not run.
        """
        async_to_sync(self.run)()


@contextmanager
def captured_sends() -> Generator[CapturedSends]:
    """Capture everything that the process sends within the block, without a `TestCase` that always does."""
    sent = CapturedSends()
    with use_transport(sent):
        yield sent


class CapturedSendsMixin(TestCase):
    """Captures what each test of a class sends, from before its `setUp` until after its `tearDown`.

    It stands before the `TestCase` of Django that it is mixed into. What `setUpTestData` sends is not among it.

    Attributes:
        sent: What the test has sent.
    """

    sent: CapturedSends

    def run(self, result: TestResult | None = None) -> TestResult | None:
        """Run the test."""
        with captured_sends() as self.sent:
            return super().run(result)

    def debug(self) -> None:
        """Run the test without collecting its exceptions."""
        with captured_sends() as self.sent:
            super().debug()


class _ThreadOfTest(Executor):
    """Runs synchronous code where Django runs code that uses models: in the thread that waits for the loop."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run it on request of an event loop."""
        future: Future[T] = Future()

        def ended(task: asyncio.Future[Any]) -> None:
            if task.cancelled():
                future.cancel()
            elif (error := task.exception()) is not None:
                future.set_exception(error)
            else:
                future.set_result(task.result())

        asyncio.ensure_future(sync_to_async(fn)(*args, **kwargs)).add_done_callback(ended)
        return future
