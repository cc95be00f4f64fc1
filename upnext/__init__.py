"""Events whose wrong sends are type errors, and whose right sends are never lost.

Names are loaded when they are first used, so that the command line starts fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upnext.api import Api as Api
    from upnext.broker.claims import DeadLetter as DeadLetter
    from upnext.context import Context as Context
    from upnext.context import get_current_context as get_current_context
    from upnext.errors import (
        BrokerError as BrokerError,
    )
    from upnext.errors import (
        BrokerRefusedError as BrokerRefusedError,
    )
    from upnext.errors import (
        BrokerUnavailableError as BrokerUnavailableError,
    )
    from upnext.errors import (
        ConfigError as ConfigError,
    )
    from upnext.errors import (
        JobDiscardedError as JobDiscardedError,
    )
    from upnext.errors import (
        JobFailedError as JobFailedError,
    )
    from upnext.errors import (
        JobLostError as JobLostError,
    )
    from upnext.errors import (
        PayloadError as PayloadError,
    )
    from upnext.errors import (
        PayloadProblem as PayloadProblem,
    )
    from upnext.errors import (
        ResultError as ResultError,
    )
    from upnext.errors import (
        ResultExpiredError as ResultExpiredError,
    )
    from upnext.errors import (
        ResultTimeoutError as ResultTimeoutError,
    )
    from upnext.errors import (
        ResultTypeError as ResultTypeError,
    )
    from upnext.errors import (
        SendOutcomeUnknownError as SendOutcomeUnknownError,
    )
    from upnext.errors import (
        ServiceImportError as ServiceImportError,
    )
    from upnext.errors import (
        UpnextError as UpnextError,
    )
    from upnext.event import Event as Event
    from upnext.event import Sender as Sender
    from upnext.event import TypedEvent as TypedEvent
    from upnext.formerly import Formerly as Formerly
    from upnext.hooks import HookedJob as HookedJob
    from upnext.hooks import HookedSend as HookedSend
    from upnext.hooks import Hooks as Hooks
    from upnext.hooks import add_hooks as add_hooks
    from upnext.hooks import remove_hooks as remove_hooks
    from upnext.job_control import Discard as Discard
    from upnext.job_control import RetryLater as RetryLater
    from upnext.outbox.row import Transaction as Transaction
    from upnext.provide import PROVIDED as PROVIDED
    from upnext.provide import Provide as Provide
    from upnext.receipt import Job as Job
    from upnext.receipt import Receipt as Receipt
    from upnext.runner.service import run as run
    from upnext.task import Task as Task
    from upnext.worker import Worker as Worker

__version__ = "0.1.0"

_HOMES = {
    "upnext.api": ("Api",),
    "upnext.broker.claims": ("DeadLetter",),
    "upnext.context": ("Context", "get_current_context"),
    "upnext.errors": (
        "BrokerError",
        "BrokerRefusedError",
        "BrokerUnavailableError",
        "ConfigError",
        "JobDiscardedError",
        "JobFailedError",
        "JobLostError",
        "PayloadError",
        "PayloadProblem",
        "ResultError",
        "ResultExpiredError",
        "ResultTimeoutError",
        "ResultTypeError",
        "SendOutcomeUnknownError",
        "ServiceImportError",
        "UpnextError",
    ),
    "upnext.event": ("Event", "Sender", "TypedEvent"),
    "upnext.formerly": ("Formerly",),
    "upnext.hooks": ("HookedJob", "HookedSend", "Hooks", "add_hooks", "remove_hooks"),
    "upnext.job_control": ("Discard", "RetryLater"),
    "upnext.outbox.row": ("Transaction",),
    "upnext.provide": ("PROVIDED", "Provide"),
    "upnext.receipt": ("Job", "Receipt"),
    "upnext.runner.service": ("run",),
    "upnext.task": ("Task",),
    "upnext.worker": ("Worker",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "PROVIDED",
    "Api",
    "BrokerError",
    "BrokerRefusedError",
    "BrokerUnavailableError",
    "ConfigError",
    "Context",
    "DeadLetter",
    "Discard",
    "Event",
    "Formerly",
    "HookedJob",
    "HookedSend",
    "Hooks",
    "Job",
    "JobDiscardedError",
    "JobFailedError",
    "JobLostError",
    "PayloadError",
    "PayloadProblem",
    "Provide",
    "Receipt",
    "ResultError",
    "ResultExpiredError",
    "ResultTimeoutError",
    "ResultTypeError",
    "RetryLater",
    "SendOutcomeUnknownError",
    "Sender",
    "ServiceImportError",
    "Task",
    "Transaction",
    "TypedEvent",
    "UpnextError",
    "Worker",
    "add_hooks",
    "get_current_context",
    "remove_hooks",
    "run",
]


if not TYPE_CHECKING:  # for a checker a module with this function has every name, misspelt or not

    def __getattr__(name: str) -> object:
        """Load a public name from the module that defines it."""
        if name not in _HOME_OF:
            msg = f"module 'upnext' has no attribute {name!r}"
            raise AttributeError(msg)
        value: object = getattr(importlib.import_module(_HOME_OF[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
