"""Treats each task as the only handler of an event, so that submissions are checked like sends."""

from __future__ import annotations

from dataclasses import replace

from upnext_codegen.contract import Contract
from upnext_codegen.merging.merge import merge
from upnext_codegen.merging.subtyping import Hierarchy
from upnext_codegen.records import Handler, Scan, Send, Task


def event_of_task(worker: str, name: str) -> str:
    """Return the name of a task among events; no event can have such a name."""
    return f"{name} (task of {worker})"


def with_tasks(scan: Scan) -> Scan:
    """Return a scan in which tasks are handlers, and their submissions are sends."""
    handlers = tuple(_handler(each) for each in scan.tasks if each.worker)
    sends = tuple(_send(each) for each in scan.sends)
    return replace(scan, handlers=(*scan.handlers, *handlers), sends=sends)


def task_contracts(contract: Contract, scan: Scan) -> Contract:
    """Add the tasks of such a scan to the contracts of its events."""
    known = {event.name for event in contract.events}
    hierarchy = Hierarchy(scan.classes)
    tasks = {each.event: each for each in scan.handlers if each.event not in known}
    merged = [merge(name, [task], hierarchy, open_to_extras=True).contract for name, task in sorted(tasks.items())]
    return replace(contract, events=(*contract.events, *merged))


def _handler(task: Task) -> Handler:
    return Handler(
        event=event_of_task(task.worker, task.name),
        worker=task.worker,
        name=task.name,
        module=task.module,
        parameters=task.parameters,
        extras=task.extras,
        extras_place=task.extras_place,
        place=task.place,
    )


def _send(send: Send) -> Send:
    if send.kind != "task" or not send.worker:
        return send
    names = tuple(event_of_task(send.worker, name) for name in send.names)
    return send._replace(kind="event", names=names)
