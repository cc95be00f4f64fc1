"""Every exception that a user of upnext can catch."""

from __future__ import annotations

from dataclasses import dataclass


class UpnextError(Exception):
    """Root of all errors that upnext raises."""


class ConfigError(UpnextError):
    """Raised when a setting or a declaration cannot be used; the message names it and says what can."""


class ServiceImportError(UpnextError):
    """Raised when the file of a service cannot be imported; the message says what it raised and where."""


@dataclass(frozen=True, slots=True)
class PayloadProblem:
    """One thing that is wrong with a payload.

    Attributes:
        field: The field's name, with list positions ("items.1"); "" if no single field is to blame.
        expected: What is expected there, in words.
        actual: The type that was found, or "nothing".
    """

    field: str
    expected: str
    actual: str

    def __str__(self) -> str:
        """Describe the problem in one clause, without the value."""
        where = f"field {self.field!r} " if self.field else ""
        return f"{where}{self.expected}, got {self.actual}" if self.actual else f"{where}{self.expected}"


class PayloadError(UpnextError):
    """Raised when a payload cannot be sent, or cannot be taken by a handler.

    The message names fields and types, never values.

    Attributes:
        subject: The event's or the task's name.
        handler: The handler that refuses the payload, or None if no handler could take it.
        problems: What is wrong, one entry per field.
    """

    def __init__(self, subject: str, problems: tuple[PayloadProblem, ...], handler: str | None = None) -> None:
        self.subject = subject
        self.problems = problems
        self.handler = handler
        by = f" (handler {handler!r})" if handler else ""
        super().__init__(f"Payload of {subject!r}{by}: {'; '.join(map(str, problems))}.")

    def __reduce__(self) -> tuple[type[PayloadError], tuple[object, ...]]:
        """Pickle by the arguments, not by the message."""
        return (type(self), (self.subject, self.problems, self.handler))


class BrokerError(UpnextError):
    """Root of the errors between upnext and its Redis or Valkey server."""


class BrokerUnavailableError(BrokerError):
    """Raised when the server cannot be reached or will not store anything; nothing was stored."""


class BrokerRefusedError(BrokerError):
    """Raised when the server rejects this client: wrong password, missing permission, or a key of another type."""


class SendOutcomeUnknownError(BrokerError):
    """Raised when the connection broke after a send was written: it may or may not have been stored.

    Attributes:
        event_id: The id that it has if it was stored.
    """

    def __init__(self, event_id: str) -> None:
        self.event_id = event_id
        super().__init__(
            f"The server was lost while event {event_id} was being sent: it may have been stored. "
            "Send with options(key=...) to make repeating a send safe."
        )

    def __reduce__(self) -> tuple[type[SendOutcomeUnknownError], tuple[str]]:
        """Pickle by the argument, not by the message."""
        return (type(self), (self.event_id,))


class JobFailedError(UpnextError):
    """Raised when a result is requested of a job that became a dead letter.

    Attributes:
        job_id: The job.
        handler: The name of its handler or task.
        reason: Why it will not run again: "failed", "timeout", "crashed", "payload", "unsubscribed" or "cancelled".
        error: What the handler raised, "" if nothing.
    """

    def __init__(self, job_id: str, handler: str, reason: str, error: str) -> None:
        self.job_id = job_id
        self.handler = handler
        self.reason = reason
        self.error = error
        what = f": {error.removesuffix('.')}" if error else ""
        super().__init__(f"Job {job_id} of {handler!r} is a dead letter ({reason}){what}.")

    def __reduce__(self) -> tuple[type[JobFailedError], tuple[str, str, str, str]]:
        """Pickle by the arguments, not by the message."""
        return (type(self), (self.job_id, self.handler, self.reason, self.error))


class ResultTimeoutError(UpnextError, TimeoutError):
    """Raised when a job has not ended within the time that its caller waits; the job continues."""


class JobLostError(UpnextError):
    """Raised when the server knows nothing about a job that is being waited for: it may never have run.

    The server lost its data or the last part of them (a failover, a restart without persistence, a FLUSHDB), or the
    dead letter of the job was purged. Of a send within a transaction the server knows nothing until a relay has sent
    it: a wait for it includes the wait for the relay, up to the timeout.

    Attributes:
        event_id: The event, or the submission.
        job_ids: The jobs; () if it is not known which jobs the event had.
        handlers: Their handlers as far as they are known, for the message.
        seen_open: Whether the job was seen on the server during this wait, before it vanished.
    """

    def __init__(self, event_id: str, job_ids: tuple[str, ...], handlers: str = "", *, seen_open: bool = False) -> None:
        self.event_id = event_id
        self.job_ids = job_ids
        self.handlers = handlers
        self.seen_open = seen_open
        what = f"job {', '.join(job_ids)}" if job_ids else f"event {event_id}"
        of = f" of {handlers}" if handlers else ""
        when = "It was there when this wait began. " if seen_open else ""
        super().__init__(
            f"The server knows nothing of {what}{of}: it may not have run. {when}"
            "Either the server lost data (a failover, a restart without persistence), or the job was purged."
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by the arguments, not by the message."""
        return (_lost, (self.event_id, self.job_ids, self.handlers, self.seen_open))


def _lost(event_id: str, job_ids: tuple[str, ...], handlers: str, seen_open: bool) -> JobLostError:
    return JobLostError(event_id, job_ids, handlers, seen_open=seen_open)


class ResultError(UpnextError):
    """Raised when a job has run but its result is unavailable: it was too large, or could not be encoded or stored.

    The job is done and does not run again.
    """


class JobDiscardedError(ResultError):
    """Raised when a result is requested of a job that its handler ended with `upnext.Discard`.

    Attributes:
        job_id: The job.
        handler: The name of its handler or task.
        reason: What the handler gave as the reason, "" if nothing.
    """

    def __init__(self, job_id: str, handler: str, reason: str) -> None:
        self.job_id = job_id
        self.handler = handler
        self.reason = reason
        super().__init__(f"Job {job_id} of {handler!r} was discarded by its handler{': ' + reason if reason else ''}.")

    def __reduce__(self) -> tuple[type[JobDiscardedError], tuple[str, str, str]]:
        """Pickle by the arguments, not by the message."""
        return (type(self), (self.job_id, self.handler, self.reason))


class ResultExpiredError(ResultError):
    """Raised when a job ended so long ago that its result is no longer kept."""


class ResultTypeError(ResultError):
    """Raised when a task returned a value of another type than it declares; it has run, and does not run again.

    The message names fields and types, never values.

    Attributes:
        handler: The task.
        problems: What is wrong, one entry per field.
    """

    def __init__(self, handler: str, problems: tuple[PayloadProblem, ...]) -> None:
        self.handler = handler
        self.problems = problems
        super().__init__(f"Result of {handler!r}: {'; '.join(map(str, problems))}.")

    def __reduce__(self) -> tuple[type[ResultTypeError], tuple[object, ...]]:
        """Pickle by the arguments, not by the message."""
        return (type(self), (self.handler, self.problems))
