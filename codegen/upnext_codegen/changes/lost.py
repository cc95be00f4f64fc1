"""Handlers that are gone, UPN402, and where they may have moved: the advice depends on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from upnext_codegen.catalog import lock
from upnext_codegen.changes.breaks import listed
from upnext_codegen.contract import EventContract, Receiver
from upnext_codegen.findings import Finding
from upnext_codegen.records import Declaration, Handler, Place


def lost_handlers(
    event: EventContract,
    handlers: Iterable[Handler],
    declarations: Sequence[Declaration],
    new: Iterable[Handler],
) -> Iterable[Finding]:
    """Report UPN402, once per event.

    Args:
        event: The earlier contract of the event.
        handlers: Its handlers now.
        declarations: Where it is declared now.
        new: The handlers of any event that the earlier contracts do not have.
    """
    now = {handler.identity for handler in handlers}
    lost = [receiver for receiver in event.receivers if receiver.identity not in now]
    if not lost:
        return
    is_one = len(lost) == 1
    names = listed([f'"{event.names[receiver.identity]}"' for receiver in lost])
    who, them, queue = (
        (f"handler {names}", "it", "its queue is") if is_one else (f"handlers {names}", "them", "their queues are")
    )
    hint, successor = _where(event.name, lost, list(new))
    place = declarations[0].place if declarations else successor or Place(lock.FILE_NAME, 1, 1)
    yield Finding.of(
        code="UPN402",
        message=f'{who} of "{event.name}" {"is" if is_one else "are"} gone: '
        f"jobs that are queued for {them} would wait for a worker that knows {them}",
        place=place,
        help=f"{hint}keep {them} until {queue} empty, then `upnext unsubscribe` {them}",
    )


def _where(event: str, lost: Sequence[Receiver], new: Sequence[Handler]) -> tuple[str, Place | None]:
    """Return the advice for handlers that only have another name, event or worker, with their new places."""
    first = lost[0]
    beside = [each for each in new if each.event == event and each.worker == first.worker]
    if len(lost) == 1 and beside:
        return f'if it was renamed, keep its name with @event.on(name="{first.name}"), or ', None
    others = {each.event for each in new if each.event != event}
    renamed = [other for other in others if _has_all(lost, [each for each in new if each.event == other])]
    if len(renamed) == 1:
        place = next(each.place for each in new if each.event == renamed[0])
        says = f'worker.event("{renamed[0]}", formerly=("{event}",))'
        return f"if the event was renamed, name what it was called, {says}, or ", place
    workers = {each.worker for each in new if each.event == event}
    moved = [worker for worker in workers if {each.name for each in lost} <= _names(event, worker, new)]
    if len(moved) == 1:
        place = next(each.place for each in new if each.event == event and each.worker == moved[0])
        they = "it" if len(lost) == 1 else "they"
        says = f'if {they} moved to worker "{moved[0]}", that takes no jobs of worker "{first.worker}": there, '
        return says, place
    return "", None


def _has_all(lost: Iterable[Receiver], handlers: Sequence[Handler]) -> bool:
    return {each.identity for each in lost} <= {each.identity for each in handlers}


def _names(event: str, worker: str, handlers: Iterable[Handler]) -> set[str]:
    return {each.name for each in handlers if (each.event, each.worker) == (event, worker)}
