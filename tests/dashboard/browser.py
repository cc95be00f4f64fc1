"""A browser for tests: it asks the dashboard's application in this process, and sends its forms as a page does."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from upnext.dashboard.app import dashboard_app
from upnext.settings import load

ORIGIN = "http://127.0.0.1:8765"


class Browser:
    """Reads pages, and keeps what their forms have to send along.

    Attributes:
        client: Sends the requests.
        page: The HTML of the last page.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.page = ""

    async def get(self, path: str, code: int = 200) -> str:
        """Return what a page says, without its markup."""
        return self._read(await self.client.get(path), code)

    async def post(self, path: str, fields: dict[str, str | list[str]], code: int = 200) -> str:
        """Send a form of the last page; return what the page says that follows."""
        token = re.search(r'name="form_token" value="([^"]+)"', self.page)
        data = {"form_token": token[1] if token else "", **fields}
        return self._read(await self.client.post(path, data=data, headers={"Origin": ORIGIN}), code)

    def field(self, name: str) -> str:
        """Return the value of a field of the last page."""
        found = re.search(rf'name="{name}" value="([^"]*)"', self.page)
        assert found, f"no field {name}"
        return html.unescape(found[1])

    def _read(self, response: httpx.Response, code: int) -> str:
        self.page = response.text
        assert response.status_code == code, response.text
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", response.text)).split())


@asynccontextmanager
async def browsing(url: str, token: str = "", graph: str | None = None) -> AsyncIterator[Browser]:
    """Open a browser on the dashboard of a server."""
    transport = httpx.ASGITransport(dashboard_app(load(redis_url=url), token, ["dash.example"], graph))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, follow_redirects=True) as client:
        yield Browser(client)
