"""The HTTP pages of a process, for orchestrators, load balancers, deployments and Prometheus."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from upnext.runner.http_pages import Page, parse, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager
    from typing import TypeAlias

    Counting: TypeAlias = AbstractContextManager[Callable[[], bytes]]

METRICS = "text/plain; version=0.0.4; charset=utf-8"
"""The type of metrics as Prometheus reads them."""

_NO_METRICS = "there are no metrics without the extra: pip install 'upnext[prometheus]'\n"


@contextmanager
def answering(address: str, trouble: Callable[[], str], counting: Counting | None = None) -> Generator[None]:
    """Answer GET with 200 while all is well, else with 503 and the reason, on any path but two.

    `/livez` is 200 as long as the process answers at all, and `/metrics` gives its metrics.

    Args:
        address: Where to listen, as `parse` takes it.
        trouble: Says why no jobs are taken now, "" while they are; called in other threads.
        counting: Counts what there are metrics of while it is entered, and gives them; None without the library for it.

    Raises:
        ConfigError: If it is not an address, or the port is taken.
    """

    def page(path: str) -> Page:
        if path == "/livez":
            return Page(200, b"alive\n")
        if path == "/metrics":
            return Page(501, _NO_METRICS.encode()) if metrics is None else Page(200, metrics(), METRICS)
        found = trouble()
        return Page(503 if found else 200, f"{found or 'ready'}\n".encode())

    host, port = parse(address)
    with counting or nullcontext() as metrics, serving(host, port, page, "The probe"):
        yield
