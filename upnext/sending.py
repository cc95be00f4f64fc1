"""The path of a send: check and encode the payload once, then one atomic write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast

from upnext.connect import broker_for, connected
from upnext.errors import ConfigError, PayloadError
from upnext.hooks import process_hooks
from upnext.limits import MAX_DELAY, MAX_KEY_LENGTH
from upnext.names import brief
from upnext.options import is_finite
from upnext.payload.encoding import encode
from upnext.payload.problems import untaken
from upnext.receipt import Job, Receipt
from upnext.registry import declarations
from upnext.transport import OutgoingMessage, current, is_diverted
from upnext.unheard_events import tell_of_unheard

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from upnext.broker.backlog import Backlog
    from upnext.broker.publish_batcher import Published
    from upnext.handler import Handler
    from upnext.payload.codec import Codec
    from upnext.registry import Registry
    from upnext.settings import Settings


When: TypeAlias = float | datetime
"""When the jobs of a send may run: after so many seconds, or from a moment on."""

NOW: Final = 0.0


class _Known(NamedTuple):
    """What this process knows about an event's handlers.

    Attributes:
        version: The state of the declarations that it was looked up at.
        handlers: The handlers.
        codecs: Their codecs.
        names: The only fields that can be sent; None if others can.
    """

    version: int
    handlers: tuple[Handler, ...]
    codecs: tuple[Codec, ...]
    names: frozenset[str] | None


class Delivery:
    """How one event is sent: checked against the handlers that this process knows.

    Args:
        event: The event's name.
        registry: The worker that it was declared on.
    """

    def __init__(self, event: str, registry: Registry) -> None:
        self.event = event
        self.registry = registry
        self._known = _Known(-1, (), (), None)

    async def send(self, fields: Mapping[str, Any], *, delay: float = 0.0, key: str | None = None) -> Receipt:
        """Store the event with a job for each subscribed handler, or raise."""
        if (backlog := _full_backlog(self.registry.settings)) is not None:
            await backlog.room()
        message = self.message(fields, delay, key)
        published = await take(message, self.registry)
        if not published.handlers and not is_diverted():
            tell_of_unheard(self.event, await broker_for(message.settings))
        return Receipt(published, message.settings)

    def message(self, fields: Mapping[str, Any], delay: float, key: str | None) -> OutgoingMessage:
        """Check and encode a send."""
        settings, known = self.registry.settings, self._known
        if known.version != declarations.version:
            # A single assignment of what was looked up: other threads send and declare handlers meanwhile.
            known = self._known = self._look_up(declarations.version)
        body = self._encode(known, fields, settings.max_payload)
        return OutgoingMessage(settings, self.event, False, known.handlers, fields, body, delay, key)

    def _encode(self, known: _Known, fields: Mapping[str, Any], max_payload: int) -> bytes:
        if known.names is not None:
            unknown = tuple(untaken(name) for name in fields if name not in known.names)
            if unknown:
                raise PayloadError(self.event, unknown)
        return encode(self.event, fields, known.codecs, max_payload)

    def _look_up(self, version: int) -> _Known:
        handlers = declarations.handlers_of(self.event, self.registry)
        codecs = tuple(handler.signature.codec for handler in handlers)
        forbidden = codecs and declarations.forbids_extras(self.event, self.registry)
        names = frozenset[str]().union(*(codec.fields for codec in codecs)) if forbidden else None
        return _Known(version, handlers, codecs, names)


def take(
    message: OutgoingMessage, registry: Registry, store: Callable[[], Awaitable[Published]] | None = None
) -> Awaitable[Published]:
    """Pass a message on, inside the hooks around sends, if there are any.

    Args:
        message: The message.
        registry: The worker that it is sent through.
        store: What stores it; by default the transport does.
    """
    hand_on = current().take
    if not has_hooks(registry):
        return hand_on(message) if store is None else store()
    from upnext.hook_calls import around_send  # noqa: PLC0415  # few have hooks

    hooks = (*process_hooks.sends, *registry.hooks.sends)
    return around_send(hooks, registry.worker, message, store or (lambda: hand_on(message)))


def has_hooks(registry: Registry) -> bool:
    """Return whether there are hooks around sends through a worker."""
    return bool(process_hooks.sends or registry.hooks.sends)


def _full_backlog(settings: Settings) -> Backlog | None:
    """Return what a send has to wait for, so that waiting payloads take up no more memory than a backlog may."""
    namespace = connected(settings)
    return namespace.backlog if namespace is not None and namespace.backlog.is_full else None


async def submit(
    task: Handler, registry: Registry, fields: Mapping[str, Any], *, delay: float, key: str | None
) -> Job[Any]:
    """Store one job of a task, or raise."""
    if (backlog := _full_backlog(registry.settings)) is not None:
        await backlog.room()
    message = submission(task, registry, fields, delay, key)
    published = await take(message, registry)
    job_id = published.joined.get(0, f"{published.event_id}.0")
    return Job(job_id, task.name, message.settings, task.signature.result, existing=0 in published.joined)


def submission(
    task: Handler, registry: Registry, fields: Mapping[str, Any], delay: float, key: str | None
) -> OutgoingMessage:
    """Check and encode the arguments of a task."""
    settings = registry.settings
    body = encode(task.name, fields, (task.signature.codec,), settings.max_payload)
    return OutgoingMessage(settings, task.name, True, (task,), fields, body, delay, key)


def check_when(delay: float | timedelta | None, at: datetime | None) -> When:
    """Return when the jobs of a send may run: a delay in seconds, or a time.

    Raises:
        ConfigError: If there are both, if `check_delay` refuses the delay, or if the moment has no time zone or is more
            than a year away.
    """
    if at is None:
        return check_delay(delay)
    if delay is not None:
        raise ConfigError(f"Options delay={brief(delay)} and at={brief(at)} cannot be used together: give one of them.")
    if not isinstance(cast("object", at), datetime) or at.utcoffset() is None:
        raise ConfigError(
            f"Option at={brief(at)} cannot be used: it must be a datetime with a time zone, such as "
            "datetime(2027, 1, 31, 9, tzinfo=ZoneInfo('Europe/Berlin'))."
        )
    if delay_of(at) > MAX_DELAY:
        raise ConfigError(f"Option at={brief(at)} cannot be used: it is more than {MAX_DELAY:.0f} s away.")
    return at


def check_delay(delay: float | timedelta | None) -> float:
    """Return a delay in seconds.

    Raises:
        ConfigError: If it is negative, not finite, or longer than a year.
    """
    if delay is None:
        return NOW
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    if not is_finite(seconds, 0.0) or seconds > MAX_DELAY:
        raise ConfigError(
            f"Option delay={brief(delay)} cannot be used: it must be seconds or a timedelta, from 0 to "
            f"{MAX_DELAY:.0f} s."
        )
    return float(seconds)


def delay_of(when: When) -> float:
    """Return the seconds from now until the jobs of a send may run; 0 for a time that has passed."""
    if not isinstance(when, datetime):
        return when
    return max((when - datetime.now(UTC)).total_seconds(), 0.0)


def check_key(key: object) -> str | None:
    """Return an idempotency key.

    Raises:
        ConfigError: If it is not text of 1 to 200 characters.
    """
    if key is None or (isinstance(key, str) and 1 <= len(key) <= MAX_KEY_LENGTH and key.isprintable()):
        return key
    raise ConfigError(f"Option key={brief(key)} cannot be used: it must be 1 to {MAX_KEY_LENGTH} printable characters.")
