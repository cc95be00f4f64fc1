"""Whether this process takes jobs now, for whoever asks over HTTP: an orchestrator, a load balancer, a deployment."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

from upnext.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_HIGHEST = 65535


@contextmanager
def answering(address: str, trouble: Callable[[], str]) -> Generator[None]:
    """Answer GET with 200 while there is no trouble and else with 503 and what it is, on any path.

    It has a thread of its own: code that blocks the event loop does not keep it from answering.

    Args:
        address: Where to listen, as `parse` takes it.
        trouble: Says why no jobs are taken now, "" while they are; called in other threads.

    Raises:
        ConfigError: If it is no address, or the port is taken.
    """
    host, port = parse(address)
    try:
        server = ThreadingHTTPServer((host, port), _handler(trouble))
    except OSError as error:
        raise ConfigError(f"The probe cannot listen on {host}:{port} ({error.strerror}); is the port taken?") from None
    threading.Thread(target=server.serve_forever, name="upnext-probe", daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def parse(address: object, offset: int = 0) -> tuple[str, int]:
    """Read `PORT` or `HOST:PORT`; only this machine can ask where no host is given.

    Raises:
        ConfigError: If it is neither.
    """
    found = re.fullmatch(r"(?:(.+):)?(\d{1,5})", address) if isinstance(address, str) else None
    port = int(found[2]) + offset if found else 0
    if found is None or not 0 < port <= _HIGHEST:
        raise ConfigError(f"Option probe={address!r} cannot be used: it must be PORT or HOST:PORT.")
    return found[1] or "127.0.0.1", port


def _handler(trouble: Callable[[], str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout: ClassVar[float | None] = 5.0

        def do_GET(self) -> None:
            found = trouble()
            body = f"{found or 'ready'}\n".encode()
            self.send_response(503 if found else 200)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name there
            """Keep to itself: it is asked every few seconds."""

    return Handler
