"""The read-only pages: what the commands read, as HTML."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import unquote

from starlette.responses import HTMLResponse, Response

from upnext.broker.handler_id import HandlerId
from upnext.broker.protocols import DeadLetterPlace
from upnext.cli import dead, dead_list, jobs
from upnext.cli.moments import since
from upnext.cli.schedules import as_json as schedule_as_json
from upnext.cli.schedules import read_schedules
from upnext.cli.status_json import ended, totals
from upnext.cli.top_screen import by_urgency
from upnext.dashboard.notices import Notices
from upnext.dashboard.paging import PAGE, shown, whole
from upnext.dashboard.rendering import environment, static_files
from upnext.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

    from upnext.broker.namespace import Namespace
    from upnext.broker.status import QueueStatus
    from upnext.dashboard.event_graph import SentEvents
    from upnext.dashboard.guard import Access
    from upnext.dashboard.reading import Reader

T = TypeVar("T")

REASONS = ("failed", "timeout", "crashed", "payload", "unsubscribed", "cancelled")
_JOBS, _MOST_JOBS = 100, 1000
_MOST_HANDLERS = 50  # on the overview
_PLACE = re.compile(r"(\d{1,16})\.([0-9a-f-]{1,40}\.\d{1,6})")


class HandlerRow(NamedTuple):
    """A handler as shown on the pages.

    Attributes:
        id: Its identity.
        identity: The parts of it.
        queue: Its jobs.
        rate: Attempts a second, done and failed; None before two readings.
        failed: Failed attempts in processes that live.
        paused: Seconds since when it is paused, or None.
    """

    id: str
    identity: HandlerId
    queue: QueueStatus
    rate: tuple[float, float] | None
    failed: int
    paused: float | None


class Pages:
    """Answers read-only requests.

    Args:
        reader: Asks the server.
        access: Who may enter, and what a form sends along.
        sent: What the sources say of sends.
    """

    def __init__(self, reader: Reader, access: Access, sent: SentEvents) -> None:
        self.reader = reader
        self._sent = sent
        self.access = access
        self.notices = Notices()
        self._templates = environment()
        self._static = static_files()

    async def overview(self, request: Request) -> Response:
        """Show throughput, waiting and failed jobs, and problems."""
        await self.reader.refresh()
        rows = self._handlers()
        return self.render(
            request,
            "overview.html",
            rows=rows[:_MOST_HANDLERS],
            left=max(len(rows) - _MOST_HANDLERS, 0),
            troubles=self.reader.troubles(),
            throughput=self.reader.throughput(),
            history=list(self.reader.history),
        )

    async def dead(self, request: Request) -> Response:
        """List dead letters, the most recent first."""
        query = {name: request.query_params.get(name) or None for name in ("event", "handler", "reason", "since")}
        try:
            selection = selection_of(query)
        except argparse.ArgumentTypeError as error:
            return self.render(request, "message.html", 400, title="Dead letters", message=f"since: {error}.")
        place = _PLACE.fullmatch(request.query_params.get("after", ""))
        after = None if place is None else DeadLetterPlace(float(place[1]), place[2])
        page, fault = await self._asked(lambda namespace: dead_list.newest(namespace, selection, after, PAGE))
        return self.render(
            request,
            "dead.html",
            fault=fault,
            page=page,
            query=query,
            after=request.query_params.get("after"),
            older=None if page is None or page.end is None else f"{page.end.died:.0f}.{page.end.job_id}",
            reasons=REASONS,
        )

    async def dead_letter(self, request: Request) -> Response:
        """Show one dead letter."""
        return await self._details(request, dead.details_of, dead_list.unknown, "dead_letter.html")

    async def jobs(self, request: Request) -> Response:
        """List jobs that have not ended."""
        query = {name: request.query_params.get(name) or None for name in ("state", "event", "handler")}
        state = query["state"] if query["state"] in {*jobs.STATES, "done"} else None
        limit = min(max(whole(request.query_params.get("limit"), _JOBS), 1), _MOST_JOBS)
        filters = jobs.JobFilter(state, query["event"], query["handler"])
        if filters.fault:
            return self.render(request, "message.html", 400, title="Jobs", message=filters.fault)
        listing, fault = await self._asked(lambda namespace: jobs.read_jobs(namespace, filters, limit))
        return self.render(
            request,
            "jobs.html",
            fault=fault,
            listing=listing,
            query=query,
            limit=limit,
            more=min(limit * 2, _MOST_JOBS) if limit < _MOST_JOBS else None,
            states=(*jobs.STATES, "done"),
            when=jobs.when,
        )

    async def job(self, request: Request) -> Response:
        """Show one job."""
        return await self._details(request, jobs.details_of, jobs.unknown, "job.html")

    async def workers(self, request: Request) -> Response:
        """Show the worker processes and their jobs."""
        await self.reader.refresh()
        workers = () if self.reader.status is None else self.reader.status.workers
        found = shown(request, workers, lambda worker: (worker.worker, worker.host, str(worker.pid)))
        return self.render(request, "workers.html", shown=found, rates=self.reader.rates.of_processes)

    async def handlers(self, request: Request) -> Response:
        """Show every handler, to pause and resume it."""
        await self.reader.refresh()
        found = shown(request, self._handlers(), lambda row: row.identity)
        return self.render(request, "handlers.html", shown=found)

    async def schedules(self, request: Request) -> Response:
        """Show when scheduled tasks run."""
        found, fault = await self._asked(read_schedules)
        rows: list[dict[str, Any]] = []
        if found is not None:
            _, records, served, now = found
            rows = [
                schedule_as_json(record, now, served=record.handler in served)
                for record in sorted(records, key=lambda record: record.handler)
            ]
        return self.render(request, "schedules.html", fault=fault, rows=rows)

    async def events(self, request: Request) -> Response:
        """Show which handlers each event leads to."""
        await self.reader.refresh()
        status, wanted = self.reader.status, request.query_params.get("event") or None
        graph = {} if status is None else self._sent.events(status, self.reader.lock)
        events = [(event, rows) for event, rows in graph.items() if wanted in {None, event}]
        found = shown(request, events, lambda each: (each[0], *(word for row in each[1] for word in row["identity"])))
        senders = self._sent.senders
        return self.render(request, "events.html", shown=found, wanted=wanted, senders=senders)

    async def login(self, request: Request) -> Response:
        """Ask for the token."""
        return self.render(request, "login.html", refused=False)

    async def static(self, request: Request) -> Response:
        """Serve the style sheet or the script."""
        found = self._static.get(request.path_params["name"])
        if found is None:
            return self.missing(request)
        return Response(found[0], media_type=found[1], headers={"Cache-Control": "private, max-age=600"})

    def missing(self, request: Request) -> Response:
        """Report that there is no such page."""
        return self.render(request, "message.html", 404, title="Not found", message="There is no such page.")

    def render(
        self, request: Request, name: str, code: int = 200, *, fault: str | None = None, **context: Any
    ) -> Response:
        """Write a page.

        Args:
            request: What asked for it.
            name: Its template.
            code: The status of the answer; 503 in place of 200 where the server gave none.
            fault: Why the server gave no answer to what this page asked; by default, to how the namespace stands.
            context: What it shows.
        """
        reader = self.reader
        if fault is None:
            fault = "" if name in {"login.html", "message.html"} else reader.fault
        status = reader.status
        text = self._templates.get_template(name).render(
            path=request.url.path,
            where={"server": reader.server, "namespace": reader.settings.namespace},
            status=status,
            totals=None if status is None else totals(status),
            fault=fault,
            form_token=self.access.form_token,
            has_token=bool(self.access.token),
            notices=self.notices.get(request.query_params.get("notice", "")),
            **context,
        )
        return HTMLResponse(text, 503 if fault and code == 200 else code)

    async def _details(
        self,
        request: Request,
        read: Callable[..., Awaitable[tuple[dict[str, str], dict[str, Any] | None]]],
        unknown: Callable[[str], str],
        template: str,
    ) -> Response:
        # The raw path: bytes that are not UTF-8 are lost in its parsed parameters.
        quoted = request.scope["raw_path"].decode("ascii", "replace").rpartition("/")[2]
        job_id, payload = unquote(quoted, errors="surrogateescape"), request.query_params.get("payload") == "show"
        found, fault = await self._asked(lambda namespace: read(namespace, job_id, payload=payload))
        details = None if found is None else found[1]
        if found is not None and details is None:
            return self.render(request, "message.html", 404, title=job_id, message=unknown(job_id))
        return self.render(request, template, fault=fault, job_id=job_id, details=details, payload=payload)

    async def _asked(self, question: Callable[[Namespace], Awaitable[T]]) -> tuple[T | None, str]:
        """Return the result of a query on the namespace, or why there is none."""
        await self.reader.refresh()
        try:
            return await self.reader.ask(question), ""
        except BrokerError as error:
            return None, str(error)

    def _handlers(self) -> list[HandlerRow]:
        reader, status = self.reader, self.reader.status
        if status is None:
            return []
        counted = ended(status)
        return [
            HandlerRow(
                id=queue.handler,
                identity=HandlerId.parse(queue.handler),
                queue=queue,
                rate=reader.rates.of_handlers.get(queue.handler),
                failed=counted.get(queue.handler, (0, 0))[1],
                paused=status.now - status.paused[queue.handler] if queue.handler in status.paused else None,
            )
            for queue in by_urgency(status, reader.rates)
        ]


def selection_of(query: Mapping[str, str | None]) -> dead_list.Selection:
    """Return the dead letters that a filter selects.

    Raises:
        argparse.ArgumentTypeError: If `since` is neither an age nor a time.
    """
    age = query.get("since")
    return dead_list.Selection(
        query.get("event"), query.get("handler"), query.get("reason"), None if age is None else since(age)
    )
