"""The wording of findings about sources: one function per message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext_codegen.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upnext_codegen.records import Place

NAME_RULE = "letters, digits and _ . : / - only, a letter or _ first, at most 200 characters"


def unreadable(place: Place, reason: str) -> Finding:
    """A file that cannot be read or parsed (UPN001)."""
    return Finding.of(
        "UPN001",
        f"cannot read this file: {reason}",
        place,
        "fix it, or leave it out with exclude in [tool.upnext]; until then its events and handlers do not count",
    )


def unknown_event_name(place: Place) -> Finding:
    """An event name that is computed at run time (UPN002)."""
    return Finding.of(
        "UPN002",
        "the event's name cannot be known without running the code",
        place,
        "give the name as a string literal, or as a constant defined once at module level",
    )


def unknown_former_names(place: Place, event: str) -> Finding:
    """Former names of an event that are computed at run time (UPN002)."""
    return Finding.of(
        "UPN002",
        f"the earlier names of event {shown(event)} cannot be known without running the code",
        place,
        'give them as a tuple of string literals: formerly=("order.placed",)',
    )


def unknown_worker_name(place: Place) -> Finding:
    """A worker name that is computed at run time (UPN002)."""
    return Finding.of(
        "UPN002",
        "the worker's name cannot be known without running the code",
        place,
        "give the name as a string literal, or as a constant defined once at module level",
    )


def unknown_worker(place: Place) -> Finding:
    """An event declared on a name that is bound to several workers (UPN002)."""
    return Finding.of(
        "UPN002",
        "which worker this event is declared on cannot be known without running the code",
        place,
        "bind the name to one worker",
    )


def unknown_receiver(place: Place) -> Finding:
    """An `.on` whose event is not known (UPN002)."""
    return Finding.of(
        "UPN002",
        "the event that .on is called on cannot be known without running the code",
        place,
        "attach handlers to an event that is declared at module level, or imported from there",
    )


def handed_away(place: Place, event: str, function: str) -> Finding:
    """An `.on` passed to something that may attach anything to it (UPN002)."""
    return Finding.of(
        "UPN002",
        f'{function} is given .on of event "{event}", and what that attaches cannot be known without running the code',
        place,
        "attach each function where it can be seen: with @event.on, or by a call of .on with the function",
    )


def vanishes(place: Place, target: str) -> Finding:
    """An event that is stored where its use cannot be seen (UPN002)."""
    return Finding.of(
        "UPN002",
        f"{target} is given an event, and what is attached to it there cannot be known without running the code",
        place,
        "keep the event in a module of the project, and import it from there",
    )


def unknown_handler_name(place: Place) -> Finding:
    """A `name=` option that is computed at run time (UPN002)."""
    return Finding.of(
        "UPN002",
        "the handler's name cannot be known without running the code",
        place,
        "give the name as a string literal, or as a constant defined once at module level",
    )


def bad_name(place: Place, kind: str, name: str, *, typed: bool = False) -> Finding:
    """An event or worker name that the runtime refuses (UPN004)."""
    message = f"{kind} name {shown(name)} is not allowed"
    return Finding.of("UPN004", message, place, f"use {NAME_RULE}", typed=typed)


def unfillable(place: Place, handler: str, parameter: str, kind: str) -> Finding:
    """A positional-only parameter or `*args` (UPN103)."""
    return Finding.of(
        "UPN103",
        f'{kind} "{parameter}" of handler "{handler}" never gets a value: events pass keyword arguments only',
        place,
        _passed_by_keyword(parameter),
        fixable=not parameter.startswith("*"),  # no fix makes `*args` useful
    )


def unannotated(place: Place, handler: str, parameter: str) -> Finding:
    """A field without a type (UPN104)."""
    return Finding.of(
        "UPN104",
        f'field "{parameter}" of handler "{handler}" has no annotation, so sends are not checked against it',
        place,
        "annotate the parameter",
    )


def unwritable(place: Place, annotation: str, reason: str, way_out: str = "") -> Finding:
    """An annotation that the generated stub cannot repeat (UPN105)."""
    return Finding.of(
        "UPN105",
        f"annotation {shown(annotation)} cannot be written in the catalog: {reason}",
        place,
        way_out or "use a type that is defined or imported at module level",
    )


def import_by_name(name: str, module: str) -> str:
    """The advice if only a star import from outside the project can bring a name (UPN105)."""
    return f'import "{name}" by its name: what "from {module} import *" brings cannot be known without running it'


def unserializable(place: Place, name: str, reason: str) -> Finding:
    """A type that cannot travel as JSON (UPN106)."""
    return Finding.of(
        "UPN106",
        f'type "{name}" cannot be sent as JSON: {reason}',
        place,
        "send a dataclass, a pydantic model, a TypedDict or plain values instead",
    )


def unserializable_part(place: Place, owner: str, field: str, name: str, reason: str) -> Finding:
    """A type with a field that cannot travel as JSON (UPN106)."""
    return Finding.of(
        "UPN106",
        f'type "{owner}" cannot be sent as JSON: its field "{field}" is "{name}", and {reason}',
        place,
        "make the class of that field a dataclass, a pydantic model or a TypedDict, or leave the field out",
    )


def unfindable(place: Place, handler: str, reason: str, way_out: str = "", *, typed: bool = False) -> Finding:
    """A handler that is not a module-level function or static method (UPN109)."""
    return Finding.of(
        "UPN109",
        f'handler "{shown(handler)[1:-1]}" cannot be found again at run time: {reason}',
        place,
        way_out or "make it a function at module level, or a static method of a class at module level",
        typed=typed,
    )


def refused_generator(place: Place, kind: str, name: str) -> Finding:
    """A handler or task that is a generator (UPN110)."""
    return Finding.of(
        "UPN110",
        f'{kind} "{name}" is refused by the runtime: it is a generator, which nothing would run to its end',
        place,
        "return a value; to hand on several, send an event for each",
    )


def refused_parameter(place: Place, parameter: str, task: str) -> Finding:
    """A positional-only parameter of a task, or its `*args` (UPN110)."""
    return Finding.of(
        "UPN110",
        f'task "{task}" is refused by the runtime: parameter "{parameter}" never gets a value',
        place,
        _passed_by_keyword(parameter),
        fixable=not parameter.startswith("*"),  # no fix makes `*args` useful
    )


def needed_on_schedule(place: Place, parameter: str, task: str) -> Finding:
    """A parameter without a default of a task that runs on a schedule (UPN110)."""
    return Finding.of(
        "UPN110",
        f'task "{task}" is refused by the runtime: a schedule has no value for its parameter "{parameter}"',
        place,
        "give it a default, or have a scheduled function submit a task with the values",
    )


def no_provider(place: Place, given: str) -> Finding:
    """`Provide` of something that cannot be called (UPN110)."""
    message = f"Provide({given}) is refused by the runtime: it cannot be called"
    return Finding.of("UPN110", message, place, "give the function that provides the value", typed=True)


def unfilled_provider(place: Place, provider: str, parameter: str) -> Finding:
    """A parameter without a default of a function that provides something (UPN110)."""
    return Finding.of(
        "UPN110",
        f'provider "{provider}" is refused by the runtime: nothing fills its parameter "{parameter}"',
        place,
        "annotate it with upnext.Provide or upnext.Context, or give it a default",
    )


def providers_in_a_circle(place: Place, providers: Sequence[str]) -> Finding:
    """A provider that depends on itself (UPN110)."""
    shown = " -> ".join(providers)
    message = f"provider {shown} is refused by the runtime: it depends on itself"
    return Finding.of("UPN110", message, place, "remove one of these parameters")


def no_former_name(place: Place, given: str) -> Finding:
    """`Formerly` without a name, or with an invalid one (UPN110)."""
    message = f"{given} is refused by the runtime: it names no field"
    return Finding.of("UPN110", message, place, "give the names that the field had before")


def clashing_former_name(place: Place, handler: str, field: str, name: str, owner: str) -> Finding:
    """A former name of a field that another field has or had (UPN110)."""
    has = "is" if name == owner else "was"
    return Finding.of(
        "UPN110",
        f'"{name}" as a former name of field "{field}" of "{handler}" is refused by the runtime: it {has} the name of '
        f'field "{owner}"',
        place,
        "a payload with both could not be told apart: leave one of them out",
    )


def _passed_by_keyword(parameter: str) -> str:
    """The advice about a parameter that only takes positional arguments."""
    if parameter.startswith("*"):
        return "remove it; **kwargs takes fields that have no parameter of their own"
    return "remove the / behind it, so that it can be passed by keyword, or remove the parameter"


def hidden_parameters(place: Place, name: str, decorator: str) -> Finding:
    """A function whose parameters a decorator hides (UPN110)."""
    return Finding.of(
        "UPN110",
        f'"{name}" is refused by the runtime: its decorator "{decorator}" hides what it takes',
        place,
        f'decorate the function that "{decorator}" returns with @functools.wraps',
    )


def unchecked_parameters(place: Place, name: str, decorator: str) -> Finding:
    """A function that receives unconverted values, because a decorator hides its parameters (UPN110)."""
    return Finding.of(
        "UPN110",
        f'"{name}" gets what is sent neither checked nor converted: its decorator "{decorator}" hides what it takes',
        place,
        f'decorate the function that "{decorator}" returns with @functools.wraps, or annotate what that one takes',
    )


def no_function(place: Place, name: str, cls: str) -> Finding:
    """A function that a decorator turns into an object (UPN110)."""
    return Finding.of(
        "UPN110",
        f'"{name}" is refused by the runtime: its decorator "{cls}" makes an object of it, and no function',
        place,
        f'make "{cls}" a function that returns one, or attach a function that calls the object',
    )


def restated_parameters(place: Place, name: str, decorator: str) -> Finding:
    """A function whose parameters a decorator sets at run time (UPN002)."""
    return Finding.of(
        "UPN002",
        f'what "{name}" takes cannot be known without running the code: its decorator "{decorator}" says so itself',
        place,
        f'annotate "{decorator}" from Callable[Concatenate[Session, P], R] to Callable[P, R]',
    )


def asked_by_position(place: Place, name: str) -> Finding:
    """A function that a decorator adds a positional parameter to (UPN110)."""
    return Finding.of(
        "UPN110",
        f'"{name}" is refused by the runtime: a decorator asks for an argument by its position',
        place,
        "payloads fill parameters by keyword: attach the function without it",
    )


def event_as_decorator(place: Place, decorator: str, *, declares: bool) -> Finding:
    """An event, or `worker.event` itself, used as a decorator (UPN110)."""
    way_out = (
        "keep the event in a variable, order_placed = worker.event(...), and decorate with @order_placed.on"
        if declares
        else f"write @{decorator}.on"
    )
    return Finding.of(
        "UPN110", f"@{decorator} attaches no handler: an event is not a decorator", place, way_out, typed=True
    )


def refused_typed_dict(place: Place, field: str, kind: str, name: str, cls: str) -> Finding:
    """A field that reaches a TypedDict of `typing`, while the project runs on Python 3.11 too (UPN110)."""
    return Finding.of(
        "UPN110",
        f'field "{field}" of {kind} "{name}" is refused by the runtime before Python 3.12: '
        f'"{cls}" is made by typing.TypedDict',
        place,
        'import TypedDict from typing_extensions, or set requires-python = ">=3.12"',
    )


def shown(text: str) -> str:
    """Quote text from a source so that it prints on one line of any terminal."""
    short = text if len(text) <= 80 else f"{text[:77]}..."
    escaped = "".join(c if c.isprintable() and c != '"' else c.encode("unicode_escape").decode() for c in short)
    return f'"{escaped.replace(chr(34), chr(92) + chr(34))}"'


def unusable_upcaster(place: Place, name: str, event: str, reason: str) -> Finding:
    """A function that cannot be an upcaster (UPN452)."""
    return Finding.of(
        "UPN452",
        f'upcaster "{name}" of {shown(event)} cannot be used: {reason}',
        place,
        "take one parameter that is annotated as a TypedDict of the project: the old payload",
    )


def untyped_upcaster(place: Place, name: str, event: str) -> Finding:
    """An upcaster that does not say what it gives (UPN453)."""
    return Finding.of(
        "UPN453",
        f'what upcaster "{name}" of {shown(event)} gives is not checked: its annotation names no TypedDict',
        place,
        "annotate what it returns as a TypedDict of the fields that the handlers take",
    )


def left_out(place: Place, module: str, file: str, reason: str, events: Sequence[str]) -> Finding:
    """An import of a module that is left out (UPN005), and the events that would be reached through it."""
    way_out = f'add "{file}" to include in [tool.upnext]'
    if reason.startswith("named by exclude"):
        way_out = "remove the pattern from exclude in [tool.upnext], or the import"
    if "leads out" in reason:
        way_out = "move the module into the project, or run upnext in a folder that holds both"
    if "leads out" in reason:
        way_out = "move the module into the project, or run upnext in a folder that holds both"
    if "outside of" in reason:
        way_out = "put a pyproject.toml above both that names them as members of a workspace, and run upnext there"
    what = f"{_events(events)} reached" if events else "a handler may be attached"
    return Finding.of(
        "UPN005",
        f"{what} through {shown(module)}, which is not read: {file} is {reason}",
        place,
        way_out,
    )


def not_found(place: Place, module: str, file: str, roots: Sequence[str], events: Sequence[str]) -> Finding:
    """An import that is not found, but ends like a file, and through which events are reached (UPN006)."""
    return Finding.of(
        "UPN006",
        f"{_events(events)} reached through {shown(module)}, which is not found, although {file} ends like it",
        place,
        f"set src = [{', '.join(shown(root or '.') for root in roots)}] in [tool.upnext]",
    )


def _events(names: Sequence[str]) -> str:
    first = ", ".join(shown(name) for name in names[:3])
    if len(names) == 1:
        return f"event {first} is"
    return f"events {first} and {len(names) - 3} more are" if len(names) > 3 else f"events {first} are"
