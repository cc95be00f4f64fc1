"""Findings about options that the runtime refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext_codegen.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upnext_codegen.records import Place


def bad_option(place: Place, option: str, value: str, rule: str, *, typed: bool = False) -> Finding:
    """A handler option out of its range (UPN201)."""
    message = f"{option}={value} is out of range"
    return Finding.of("UPN201", message, place, f"{option} must be {rule}", typed=typed)


def bad_cron(place: Place, expression: str, reason: str, rule: str, *, typed: bool = False) -> Finding:
    """A cron expression that cannot be read (UPN201)."""
    message = f"cron expression {expression} cannot be used: {reason}"
    return Finding.of("UPN201", message, place, f"write {rule}", typed=typed)


def no_schedule(place: Place, *, both: bool) -> Finding:
    """A `.cron` with no schedule, or two (UPN201)."""
    given = "both a cron expression and every=" if both else "neither a cron expression nor every="
    return Finding.of("UPN201", f".cron is given {given}", place, "give one of them", typed=True)


def no_named_field(place: Place, option: str, handler: str, fields: Sequence[str], near: str | None) -> Finding:
    """An option, such as `by="x"`, that names a field which the handler does not have (UPN202)."""
    known = f"its fields are {', '.join(fields)}" if fields else "it has none"
    way_out = f"did you mean {near}?" if near else known
    return Finding.of("UPN202", f"{option} is not a field of {handler}", place, way_out)


def no_exceptions(place: Place, option: str, value: str) -> Finding:
    """A handler option that takes exception classes, with something else as its value (UPN201)."""
    way_out = f"{option} must be an exception class, or a tuple of them"
    return Finding.of("UPN201", f"{option}={value} is not an exception class", place, way_out, typed=True)


def unknown_option(place: Place, option: str, function: str, known: tuple[str, ...], near: str | None) -> Finding:
    """An unknown option of a handler or task (UPN201)."""
    way_out = f"did you mean {near}?" if near else f"the options are {', '.join(known)}"
    return Finding.of("UPN201", f'"{option}" is not an option of {function}', place, way_out, typed=True)


def unusable_option(place: Place, option: str, value: str, rule: str, *, typed: bool = False) -> Finding:
    """An option with a value that is not a number (UPN201)."""
    return Finding.of("UPN201", f"{option}={value} cannot be used", place, f"{option} must be {rule}", typed=typed)
