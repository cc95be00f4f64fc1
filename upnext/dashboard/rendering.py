"""Templates and value formatting. Everything is escaped: names, errors and payloads come from outside."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from upnext import __version__
from upnext.broker.handler_id import HandlerId
from upnext.broker.replies import raw
from upnext.cli.dead_list import first_line
from upnext.cli.fleet import blocked_in_words, options_in_words
from upnext.cli.moments import age, moment
from upnext.cli.terminal import visible, visible_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TYPES = {".svg": "image/svg+xml", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_CHART_WIDTH, _CHART_HEIGHT = 240.0, 48.0


def environment() -> Environment:
    """Return the template environment."""
    made = Environment(
        loader=PackageLoader("upnext.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "age": age,
        "commands": _commands,
        "moment": moment,
        "lines": _lines,
        "exact": _exact,
        "first_line": first_line,
        "handler": HandlerId.parse,
        "quoted": _quoted,
        "json": _json,
    }
    names: dict[str, Any] = {
        "version": __version__,
        "link": link,
        "within": HandlerId.within,
        "blocked_in_words": blocked_in_words,
        "options_in_words": options_in_words,
        "chart": chart,
    }
    untyped: Any = made  # jinja2 does not annotate their contents
    untyped.filters.update(filters)
    untyped.globals.update(names)
    return made


def static_files() -> dict[str, tuple[bytes, str]]:
    """Return the files that pages load, by name, with their types."""
    folder = files("upnext.dashboard") / "static"
    found = {file.name: file for file in folder.iterdir()}
    return {
        name: (file.read_bytes(), kind)
        for name, file in found.items()
        for suffix, kind in _TYPES.items()
        if name.endswith(suffix)
    }


def link(path: str, query: Mapping[str, str | None] | None = None, **more: str | int | None) -> Markup:
    """Return an address with those parameters that have a value, escaped for an attribute."""
    given = {name: value for name, value in {**(query or {}), **more}.items() if value not in {None, ""}}
    return escape(f"{path}?{urlencode(given, errors='surrogateescape')}" if given else path)


def chart(readings: Sequence[tuple[float, float]]) -> dict[str, str]:
    """Return the points of two lines, successful and failed attempts per second, on one scale, and its `highest`."""
    highest = max((value for reading in readings for value in reading), default=0.0)
    step = _CHART_WIDTH / max(len(readings) - 1, 1)
    room = _CHART_HEIGHT - 4  # a line at the edge would be cut
    lines = {
        name: " ".join(
            f"{n * step:.1f},{_CHART_HEIGHT - 2 - reading[line] / (highest or 1.0) * room:.1f}"
            for n, reading in enumerate(readings)
        )
        for line, name in enumerate(("done", "failed"))
    }
    return {**lines, "highest": f"{highest:,.0f}"}


def _shown(value: Any) -> Any:
    """Make invisible and direction-changing characters visible; markup is left alone."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _lines(text: str) -> Markup:
    """Return a text with its line breaks."""
    return escape(visible_lines(text))


def _commands(text: str) -> Markup:
    """Return a text in which everything between backticks is marked up as a command."""
    return Markup("").join(
        Markup("<code>{}</code>").format(visible(part)) if number % 2 else escape(visible(part))
        for number, part in enumerate(text.split("`"))
    )


def _exact(text: str) -> Markup:
    """Return a text unchanged, for an attribute that a form sends back."""
    return escape(raw(text).decode(errors="replace"))


def _quoted(text: str) -> str:
    """Return a text quoted as a part of an address, or as a form field to be unquoted again.

    The id of a job can be any bytes that another program left in its place, which a page cannot hold.
    """
    return quote(text, safe="", errors="surrogateescape")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
