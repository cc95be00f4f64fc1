"""Findings about Celery tasks and their calls, UPN601 to UPN604. Only what is certain is reported."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from upnext_codegen.celery.celery_names import OPTIONS
from upnext_codegen.celery.fitting import faults, unknown_names
from upnext_codegen.celery.records import SHARED
from upnext_codegen.findings import Finding, Related
from upnext_codegen.merging.nearness import NearNames
from upnext_codegen.messages import shown
from upnext_codegen.names.lookup import excludes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from upnext_codegen.celery.records import Call, CeleryScan, CeleryTask, TaskSignature
    from upnext_codegen.records import Place

_OWN = "celery."
"""Celery's own tasks are named so."""


def celery_findings(scan: CeleryScan) -> Iterator[Finding]:
    """Yield what is wrong with the tasks of a project, and with the calls of them."""
    names = _Names(scan.tasks, scan.supposed)
    for call in scan.calls:
        if call.task is not None:
            yield from _wrong_call(call, call.task)
            continue
        named = names.of(call.name)
        if len(named) == 1:
            yield from _wrong_call(call, named[0])
        elif not named:
            yield from names.unknown(call)
    yield from _same_names(scan)


def _wrong_call(call: Call, task: CeleryTask) -> Iterator[Finding]:
    signature = task.signature
    if signature is None:
        return
    misplaced = [each for each in call.options if each[0] in signature.keywords and each[0] not in OPTIONS]
    if call.wrong_container is not None:
        yield _unfit(call, task, f"with {call.wrong_container.text}", call.wrong_container.way_out)
    # An argument passed as an option by mistake is reported once.
    given = call.given._replace(keywords=(*call.given.keywords, *(name for name, _ in misplaced)))
    wrong = ", and ".join(faults(signature, given, is_partial=call.is_partial, results=call.results))
    if wrong:
        yield _unfit(call, task, wrong, _way_out(signature, unknown_names(signature, given)))
    yield from _wrong_options(call, task, misplaced)


def _unfit(call: Call, task: CeleryTask, wrong: str, way_out: str) -> Finding:
    return Finding.of("UPN601", f"task {shown(task.function)} is called {wrong}", call.place, way_out, _taken(task))


def _way_out(signature: TaskSignature, unknown: Sequence[str]) -> str:
    near = NearNames(signature.keywords) if unknown else None
    for name in unknown:
        found = near.all_near(name).names if near else ()
        if found:
            return f"did you mean {found[0]}?"
    return f"it takes {signature}"


def _taken(task: CeleryTask) -> tuple[Related, ...]:
    signature = task.signature
    return (Related(task.place, f"{task.function} takes {signature}"),)


def _wrong_options(call: Call, task: CeleryTask, misplaced: Sequence[tuple[str, Place]]) -> Iterator[Finding]:
    """UPN604: an unknown option that looks like a misspelling."""
    for name, place in misplaced:
        yield Finding.of(
            "UPN604",
            f"{shown(name)} is a parameter of task {shown(task.function)}, but is given to {call.method} as an option",
            place,
            f'put it among the arguments: kwargs={{"{name}": ...}}',
            _taken(task),
        )
    others = [each for each in call.options if each[0] not in OPTIONS and each not in misplaced]
    near = NearNames(OPTIONS) if others else None
    for name, place in others:
        found = near.all_near(name).names if near else ()
        if found:
            yield Finding.of(
                "UPN604",
                f"{call.method} has no option {shown(name)}, and Celery ignores it silently",
                place,
                f"did you mean {found[0]}?",
            )


class _Names:
    """The tasks of a project by their registered names."""

    def __init__(self, tasks: Sequence[CeleryTask], supposed: frozenset[str | None]) -> None:
        self._tasks: defaultdict[str, list[CeleryTask]] = defaultdict(list)
        for task in tasks:
            if task.name is not None:
                self._tasks[task.name].append(task)
        self._tops = {name.partition(".")[0] for name in self._tasks if "." in name}
        self._near = NearNames(self._tasks)
        self._supposed = {name for name in supposed if name is not None}
        self._are_all_known = all(task.name is not None for task in tasks) and None not in supposed

    def of(self, name: str) -> list[CeleryTask]:
        """The tasks with a name; a project may be imported from further up or down than it seems."""
        exact = self._tasks.get(name)
        return exact or [task for each in self._tasks if _is_end(each, name) for task in self._tasks[each]]

    def unknown(self, call: Call) -> Iterator[Finding]:
        """UPN602: a name that no task has."""
        if call.name.startswith(_OWN) or any(each == call.name or _is_end(each, call.name) for each in self._supposed):
            return
        near = self._near.all_near(call.name).names
        if not near and (call.name.partition(".")[0] not in self._tops or not self._are_all_known):
            return  # a task of another project or package
        yield Finding.of(
            "UPN602",
            f"no task is named {shown(call.name)}",
            call.place,
            f"did you mean {shown(near[0])}?" if near else "a task is named after its module and its function",
            tuple(
                Related(task.place, f"{shown(each)} is this task") for each in near[:1] for task in self._tasks[each]
            ),
            severity="error" if near else "warning",
        )


def _is_end(name: str, other: str) -> bool:
    """Whether one of two dotted names is a suffix of the other."""
    return "." in name and "." in other and (name.endswith(f".{other}") or other.endswith(f".{name}"))


def _same_names(scan: CeleryScan) -> Iterator[Finding]:
    """UPN603: two tasks with one name in one app, of which only one will ever run."""
    named: defaultdict[str, list[CeleryTask]] = defaultdict(list)
    # Two services in one repository may each have a shared task of the same name.
    may_be_two = scan.files_with_apps > 1
    for task in scan.tasks:
        earlier = named[task.name] if task.name is not None else []
        for other in earlier:
            if _share_app(task, other, are_shared_by_all=not may_be_two) and not _are_exclusive_branches(task, other):
                yield Finding.of(
                    "UPN603",
                    f"two tasks are named {shown(task.name or '')}: only one of them will ever run",
                    task.place,
                    "give one of them another name, with name= or by its function",
                    (Related(other.place, "and this one"),),
                )
                break
        earlier.append(task)


def _share_app(task: CeleryTask, other: CeleryTask, *, are_shared_by_all: bool) -> bool:
    apps = {task.app, other.app}
    if task.place == other.place or "" in apps:
        return False
    return are_shared_by_all if SHARED in apps else len(apps) == 1


def _are_exclusive_branches(task: CeleryTask, other: CeleryTask) -> bool:
    return task.place.file == other.place.file and excludes(task.branches, other.branches)
