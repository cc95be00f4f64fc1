"""Changes made from the pages: by the functions of the commands, with a confirmation before irreversible ones."""

from __future__ import annotations

import argparse
import re
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlencode

from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from upnext.cli import dead, dead_list
from upnext.cli.handlers import change_handlers
from upnext.cli.jobs import cancel_jobs
from upnext.cli.numbers import dead_letters
from upnext.dashboard.pages import selection_of
from upnext.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from upnext.broker.namespace import Namespace
    from upnext.dashboard.pages import Pages

_MOST_BYTES = 1_000_000
_MOST_IDS = 500
_LONGEST = 5.0  # seconds that one request spends on dead letters
_OUR_PATH = re.compile(r"/([a-z]+(/[\w.%-]*)?)?(\?[^\\\s#]*)?")
_FILTERS = ("event", "handler", "reason", "since")
_DONE = {"replay": "will run again", "purge": "deleted"}
_CHANGES = {"replay": dead.replayed, "purge": dead.purged}

Form = dict[str, list[str]]
Lines = list[tuple[str, str]]


class RefusedFormError(Exception):
    """Raised when a form cannot be accepted.

    Attributes:
        code: The status to answer with.
    """

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(message)


class Actions:
    """Answers requests that change something.

    Args:
        pages: What they come from and lead to.
    """

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._access = pages.access

    async def login(self, request: Request) -> Response:
        """Let users in who know the token."""
        form = await self._form(request)
        if not self._access.token or not self._access.opens(_one(form, "token")):
            return self._pages.render(request, "login.html", 403, refused=True)
        name, session = self._access.cookie(request.headers)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(name, session, httponly=True, samesite="strict", secure=request.url.scheme == "https")
        return answer

    async def logout(self, request: Request) -> Response:
        """Make the browser forget the login."""
        await self._form(request)
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(self._access.cookie(request.headers)[0], httponly=True, samesite="strict")
        return answer

    async def change_dead(self, request: Request) -> Response:
        """Replay or purge dead letters, by their ids or all that a filter selects."""
        kind = request.path_params["change"]
        if kind not in _CHANGES:
            return self._pages.missing(request)
        form = await self._form(request)
        ids, query = _selected(form, "id"), {name: _one(form, name) or None for name in _FILTERS}
        everything = _one(form, "all") == "yes"
        if bool(ids) == everything:
            raise RefusedFormError(400, "Select dead letters first, or change all that the filter selects.")
        try:
            selection = selection_of(query)
        except argparse.ArgumentTypeError as error:
            raise RefusedFormError(400, f"since: {error}.") from error
        if (kind == "purge" or everything) and _one(form, "confirmed") != "yes":
            return await self._confirm(request, form, kind, ids, query)
        if everything:
            before = _one(form, "before")
            moment = float(before) if before.isascii() and before.isdigit() else 0.0
            return await self._do(form, lambda namespace: _change_all(namespace, kind, selection, moment))
        return await self._do(form, lambda namespace: _change_ids(namespace, kind, ids))

    async def cancel_job(self, request: Request) -> Response:
        """Cancel waiting jobs."""
        return await self._simple(request, "id", _cancel)

    async def pause_handler(self, request: Request) -> Response:
        """Pause or resume a handler."""
        kind = request.path_params["change"]
        if kind not in {"pause", "resume"}:
            return self._pages.missing(request)

        async def change(namespace: Namespace, handlers: list[str]) -> Lines:
            done, refused = await change_handlers(namespace, handlers, None, pause=kind == "pause")
            return [*(("ok", line) for line in done), *(("fail", line) for line in refused)]

        return await self._simple(request, "handler", change)

    async def _simple(
        self, request: Request, field: str, change: Callable[[Namespace, list[str]], Awaitable[Lines]]
    ) -> Response:
        form = await self._form(request)
        values = _selected(form, field)
        if not values:
            raise RefusedFormError(400, "Nothing was selected.")
        return await self._do(form, lambda namespace: change(namespace, values))

    async def _confirm(
        self, request: Request, form: Form, kind: str, ids: list[str], query: dict[str, str | None]
    ) -> Response:
        try:
            now = await self._pages.reader.ask(lambda namespace: namespace.dead_letters.now())
        except BrokerError as error:
            raise RefusedFormError(503, str(error)) from error
        context: dict[str, Any] = {"kind": kind, "ids": ids, "query": query, "before": int(now), "back": _back(form)}
        return self._pages.render(request, "confirm.html", **context)

    async def _do(self, form: Form, change: Callable[[Namespace], Awaitable[Lines]]) -> Response:
        """Make the change, and return to the page it came from, which reports the result."""
        try:
            lines = await self._pages.reader.ask(change)
        except BrokerError as error:
            lines = [("fail", f"{error} What was asked for may have been done in part: look before you repeat it.")]
        await self._pages.reader.refresh(anew=True)
        back = _back(form)
        notice = urlencode({"notice": self._pages.notices.add(lines)})
        return RedirectResponse(f"{back}{'&' if '?' in back else '?'}{notice}", 303)

    async def _form(self, request: Request) -> Form:
        body = b""
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > _MOST_BYTES:
                    raise RefusedFormError(413, "That is more than a form of this dashboard sends.")
        except ClientDisconnect as error:  # in the middle of it, or it sent something that is not a body
            raise RefusedFormError(400, "The form was not sent to its end.") from error
        try:
            form = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=_MOST_IDS * 2)
        except ValueError as error:
            raise RefusedFormError(400, "That is not a form of this dashboard.") from error
        if not self._access.is_form_token(_one(form, "form_token")):
            raise RefusedFormError(
                403, "The page is of an earlier run of this dashboard: go back, reload it, and try again."
            )
        return form


async def _change_ids(namespace: Namespace, kind: str, ids: list[str]) -> Lines:
    known = list(dict.fromkeys(ids))
    changed = dict(zip(known, await _CHANGES[kind](namespace, known), strict=True))
    count = sum(changed.values())
    done: Lines = [("ok", f"{dead_letters(count)} {_DONE[kind]}.")] if count else []
    missing = [job_id for job_id, found in changed.items() if not found]
    return [*done, *(("fail", reason) for reason in await dead_list.refusals(namespace, missing))]


async def _change_all(namespace: Namespace, kind: str, selection: Any, died_before: float) -> Lines:
    """Change the selection within a time limit: there may be a million."""
    count, until = 0, time.monotonic() + _LONGEST
    async with aclosing(dead.change_selected(namespace, _CHANGES[kind], selection, died_before)) as pages:
        async for changed in pages:
            count += changed
            if time.monotonic() > until:
                return [("warn", f"{dead_letters(count)} {_DONE[kind]} so far, and there may be more: do it again.")]
    return [("ok", f"{dead_letters(count)} {_DONE[kind]}.")]


async def _cancel(namespace: Namespace, ids: list[str]) -> Lines:
    ends = await cancel_jobs(namespace, list(dict.fromkeys(ids)))
    return [
        ("ok", f"{end.name} is cancelled: it is a dead letter now.")
        if end.state == "cancelled"
        else ("fail", end.refusal())
        for end in ends
    ]


def _one(form: Form, name: str) -> str:
    return form.get(name, [""])[0]


def _selected(form: Form, name: str) -> list[str]:
    """Return the selection; more than can be changed at once is refused, so that nothing is left out silently."""
    values = form.get(name, [])
    if len(values) > _MOST_IDS:
        raise RefusedFormError(
            400, f"{len(values)} were selected, and {_MOST_IDS} can be changed at once: select fewer."
        )
    return [unquote(value, errors="surrogateescape") for value in values]


def _back(form: Form) -> str:
    """Return the page that a form is on; never one of another site."""
    back = _one(form, "back")
    return back if _OUR_PATH.fullmatch(back) else "/"
