"""Who may see the pages and change anything: allowed hosts, the token, protection against cross-site requests.

A browser lets every site send requests to this machine. So the Host header must be an address or a known name (which a
site that rebinds its own name is not), a change must come from a page of the dashboard, and no page can be framed.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOGIN: Final = "/login"
STATIC: Final = "/static/"

_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Access:
    """Who may enter, and which changes were made on a page of the dashboard.

    Args:
        token: What opens the dashboard; "" if it is open to everybody who can connect.
        names: Host names by which it may be asked for, beside addresses and localhost.

    Attributes:
        token: The same.
        form_token: What a page sends along with a change; made anew for each process.
    """

    def __init__(self, token: str, names: Collection[str]) -> None:
        self.token = token
        self.form_token = secrets.token_urlsafe(32)
        self._names = {"localhost", *(name.lower() for name in names)}
        self._session = secrets.token_urlsafe(32)

    def is_named(self, host: str) -> bool:
        """Whether a Host header names this dashboard: by an address or a known name."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._names or _is_address(name)

    def may_enter(self, headers: Headers) -> bool:
        """Whether a request carries the token or the login cookie."""
        if not self.token:
            return True
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        name, session = self.cookie(headers)
        # Clients encode non-ASCII letters as Latin-1, which headers are read as here, or as UTF-8.
        bearers = (bearer, bearer.encode("latin-1").decode(errors="replace"))
        return (scheme.lower() == "bearer" and any(map(self.opens, bearers))) or any(
            _same(value, session) for value in _cookies(headers, name)
        )

    def opens(self, token: str) -> bool:
        """Whether this is the token."""
        return _same(token, self.token)

    def is_form_token(self, token: str) -> bool:
        """Whether a form comes from a page of this process."""
        return _same(token, self.form_token)

    def cookie(self, headers: Headers) -> tuple[str, str]:
        """Return the name and the value of the login cookie.

        The name holds the port: browsers send the cookies of one port to the others of its host as well.
        """
        port = headers.get("host", "").rpartition(":")[2]
        return f"upnext_dashboard_{port if port.isdigit() else 'web'}", self._session


class Guard:
    """Lets permitted requests pass, and adds the headers that restrict what a browser does with the pages.

    Args:
        app: What is guarded.
        access: Who may enter.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return  # there are no websockets

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        await (self._app if refusal is None else refusal)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        headers, path = Headers(scope=scope), scope["path"]
        host, reads = headers.get("host", ""), scope["method"] in {"GET", "HEAD"}
        if not self._access.is_named(host):
            text = f"This dashboard does not answer to the name {host!r}: start it with --allow-host to let it.\n"
            return PlainTextResponse(text, 421)
        if not reads and not _is_same_origin(headers, host):
            return PlainTextResponse("A change must come from a page of this dashboard.\n", 403)
        if path == LOGIN or path.startswith(STATIC) or self._access.may_enter(headers):
            return None
        if reads and "authorization" not in headers:
            return RedirectResponse(LOGIN, 303)
        # A client with a token must not mistake the sign-in page for an answer.
        return PlainTextResponse("Sign in first.\n", 401, {"WWW-Authenticate": "Bearer"})


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), wanted.encode())


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_same_origin(headers: Headers, host: str) -> bool:
    """Whether a browser reports a request from the same origin; programs other than browsers report nothing."""
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2].lower() == host.lower()


def _cookies(headers: Headers, name: str) -> list[str]:
    values: list[str] = []
    for header in headers.getlist("cookie"):
        try:
            cookie: SimpleCookie = SimpleCookie(header)
        except CookieError:
            continue
        if name in cookie:
            values.append(cookie[name].value)
    return values
