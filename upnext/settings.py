"""The settings of workers and senders: arguments first, then the environment, then defaults."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from upnext.broker.address import Address
from upnext.errors import ConfigError
from upnext.limits import MAX_DELAY, MAX_PARTITIONS
from upnext.names import brief, check_name
from upnext.options import is_finite, is_whole
from upnext.payload.limits import MAX_BYTES, MAX_VALUE

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_NAMESPACE: Final = "default"

_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*:/+", re.IGNORECASE)
_CREDENTIALS: Final = re.compile(
    r"(?<=[?&])(?:\w+_)?(?:username|password)[^&]*&?|[?&](?:\w+_)?(?:username|password)[^&]*$", re.IGNORECASE
)

_OTHER_VARIABLES: Final = ("RELEASE", "LOG", "DASHBOARD_TOKEN", "SUPERVISED")
# What Kubernetes sets in every container for a Service called "upnext".
_OF_KUBERNETES: Final = re.compile(r"_(HOST|PORT)(_|$)")


_DAY: Final = 24 * 3600

RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "lease": (0.5, _DAY),
    "grace": (0, 7 * _DAY),
    "result_ttl": (1, int(MAX_DELAY)),
    "max_payload": (1, MAX_VALUE),
    "max_result": (1, MAX_VALUE),
    "result_timeout": (0, int(MAX_DELAY)),
    "send_deadline": (1, _DAY),
    "partitions": (1, MAX_PARTITIONS),
}
"""The least and the most that a setting can be."""
_WHOLE: Final = frozenset({"max_payload", "max_result", "partitions"})


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """The server's address, and time limits.

    Attributes:
        redis_url: The server's address, such as redis://host:6379/0; None for the embedded server. Sentinels, clusters
            and sockets have forms of their own.
        namespace: What separates several applications in one database.
        lease: Seconds after which a silent worker is taken for dead, from 0.5 to a day.
        grace: Seconds that running jobs get when a worker stops, a week at most.
        result_ttl: Seconds that a result is kept, from 1 to a year.
        max_payload: Largest payload, in bytes of JSON, 500 MB at most.
        max_result: Largest result that is kept, in bytes of JSON, 500 MB at most.
        result_timeout: Seconds that waiting for results takes at most, unless the caller says otherwise; a year at
            the most.
        send_deadline: Seconds after which a send that the server has not taken is given up, from 1 to a day.
        partitions: How many partitions of the namespace senders use; workers serve at least these. From 1 to 64.
    """

    redis_url: str | None = None
    namespace: str = DEFAULT_NAMESPACE
    lease: float = 10.0
    grace: float = 10.0
    result_ttl: float = 3600.0
    max_payload: int = MAX_BYTES
    max_result: int = MAX_BYTES
    result_timeout: float = 3600.0
    send_deadline: float = 10.0
    partitions: int = 1

    def __repr__(self) -> str:
        """Show the settings without a password."""
        url = self.redis_url and without_password(self.redis_url)
        values = {each.name: url if each.name == "redis_url" else getattr(self, each.name) for each in fields(self)}
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in values.items())})"

    def __post_init__(self) -> None:
        """Refuse invalid values, naming the setting."""
        if self.redis_url is not None:
            check_url(self.redis_url)
        check_name("namespace", self.namespace)
        for name in RANGES:
            value = getattr(self, name)
            _check(name, value, f"Setting {name}={brief(value)}")


def load(
    redis_url: str | None = None,
    lease: float | None = None,
    grace: float | None = None,
    partitions: int | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Resolve the settings: an argument, else its environment variable, else the default.

    Raises:
        ConfigError: If one of them cannot be used; the message names it, and no password.
    """
    arguments = {"lease": lease, "grace": grace, "partitions": partitions}
    given: dict[str, Any] = {name: value for name, value in arguments.items() if value is not None}
    for name in RANGES.keys() - given.keys():
        variable = f"UPNEXT_{name.upper()}"
        if text := environ.get(variable):
            given[name] = _check(name, _number(text, whole=name in _WHOLE), f"{variable}={brief(text)}")
    if environ.get("UPNEXT_NAMESPACE"):
        given["namespace"] = environ["UPNEXT_NAMESPACE"]
    # An empty variable counts as unset, as everywhere; an empty argument is an address that was not filled in.
    url = redis_url if redis_url is not None else environ.get("UPNEXT_REDIS_URL") or None
    return Settings(redis_url=url, **given)


def misspelt_variables(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return environment variables that look like upnext's but are ignored, each with the one probably meant."""
    known = [each.name.upper() for each in fields(Settings)] + list(_OTHER_VARIABLES)
    found: dict[str, str] = {}
    for variable in environ:
        name = variable.removeprefix("UPNEXT_")
        # A variable that ends with a setting's name, for example with STAGING_ before it, belongs to the project.
        if name == variable or name.endswith(tuple(known)) or _OF_KUBERNETES.search(variable):
            continue
        import difflib  # noqa: PLC0415  # hardly anybody has such a variable

        if near := difflib.get_close_matches(name, known, n=1, cutoff=0.7):
            found[variable] = f"UPNEXT_{near[0]}"
    return found


def check_url(url: object) -> str:
    """Return `url` if upnext can connect to it.

    Raises:
        ConfigError: If it cannot; the message shows the address without its password.
    """
    if not isinstance(url, str):  # its value may hold a password
        msg = f"Option redis_url of type {type(url).__name__} cannot be used: it must be text."
        raise ConfigError(msg)
    try:
        Address.parse(url)
    except ValueError as error:
        why = f": {error}." if str(error) else ". Write it like redis://host:6379/0, rediss://... or unix:///path."
        raise ConfigError(f"Redis URL {brief(without_password(url))} cannot be used{why}") from None
    return url


def without_password(url: str) -> str:
    """Return an address as it may appear in a log, however malformed: without anything before an @."""
    shown = _CREDENTIALS.sub("", url).rstrip("?&")
    scheme = _SCHEME.match(shown)
    rest = shown[scheme.end() :] if scheme else shown
    if scheme and scheme[0].startswith("unix:///"):
        return shown  # a path: it begins where a host would
    host = rest.rpartition("@")[2]
    return f"{scheme[0] if scheme else ''}{host}"


def _number(text: str, *, whole: bool) -> float | None:
    try:
        return int(text) if whole else float(text)
    except ValueError:
        return None


def _check(name: str, value: object, label: str) -> object:
    """Return the value of a setting if it is valid.

    Args:
        name: The setting.
        value: The value.
        label: What to call both in the message.

    Raises:
        ConfigError: If it cannot.
    """
    least, most = RANGES[name]
    is_whole_number = name in _WHOLE
    if is_whole(value, int(least), int(most)) if is_whole_number else is_finite(value, least, most):
        return value
    kind = "whole number" if is_whole_number else "number"
    raise ConfigError(f"{label} cannot be used: it must be a {kind} from {least:g} to {most:,}.")
