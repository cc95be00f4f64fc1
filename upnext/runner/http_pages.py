"""Serves a few pages over HTTP from its own thread, so that a blocked event loop does not silence it."""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from upnext.broker.replies import shown
from upnext.errors import ConfigError
from upnext.log import log
from upnext.names import brief

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_HIGHEST = 65535
_PAUSE = 0.05  # seconds until connections are accepted again after file descriptors ran out


class Page(NamedTuple):
    """An HTTP response: status, body, and content type."""

    status: int
    body: bytes
    type: str = "text/plain; charset=utf-8"


@contextmanager
def serving(host: str, port: int, page: Callable[[str], Page], what: str) -> Generator[None]:
    """Answer GET and HEAD within the block; a page that raises answers 500, and is logged.

    Args:
        host: Where to listen.
        port: The port.
        page: Gives the page of a path; called in other threads.
        what: Who listens, for the error.

    Raises:
        ConfigError: If the port is taken, or the host is none of this machine's.
    """
    try:
        server = _Server((host, port), _handler(page))
    except OSError as error:
        raise ConfigError(f"{what} cannot listen on {host}:{port} ({error.strerror}); is the port taken?") from None
    threading.Thread(target=server.serve_forever, name="upnext-http", daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def parse(address: object, offset: int = 0, option: str = "probe") -> tuple[str, int]:
    """Parse `PORT` or `HOST:PORT`; without a host, only this machine can connect.

    Raises:
        ConfigError: If it is neither.
    """
    found = re.fullmatch(r"(?:(.+):)?(\d{1,5})", address) if isinstance(address, str) else None
    port = int(found[2]) + offset if found else 0
    if found is None or not 0 < port <= _HIGHEST:
        raise ConfigError(f"Option {option}={brief(address)} cannot be used: it must be PORT or HOST:PORT.")
    return found[1] or "127.0.0.1", port


class _Server(ThreadingHTTPServer):
    """Keeps answering when the process runs out of file descriptors: it releases a spare one for each connection."""

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._spare: int | None = None
        self._keeping = threading.Lock()
        super().__init__(address, handler)
        self._keep_spare()

    def get_request(self) -> tuple[Any, Any]:
        try:
            return super().get_request()
        except OSError as error:
            if error.errno not in {errno.EMFILE, errno.ENFILE}:
                raise
            if self._spare is None:  # another connection has it; this client waits in the backlog
                time.sleep(_PAUSE)
                raise
            self._give_up_spare()
            return super().get_request()

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self._keep_spare()

    def service_actions(self) -> None:
        self._keep_spare()

    def server_close(self) -> None:
        super().server_close()
        self._give_up_spare()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  # what it is called with
        """Log in one line what would be a traceback on standard error: usually a client that did not wait."""
        log.log(logging.DEBUG, "Cannot answer a client over HTTP (%s)", type(sys.exception()).__name__)

    def _give_up_spare(self) -> None:
        with self._keeping:
            if self._spare is not None:
                os.close(self._spare)
                self._spare = None

    def _keep_spare(self) -> None:
        with self._keeping:
            if self._spare is None:
                with suppress(OSError):
                    self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


def _handler(page: Callable[[str], Page]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout: ClassVar[float | None] = 5.0

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def _answer(self, *, with_body: bool) -> None:
            path = self.path.partition("?")[0]
            try:
                found = page(path)
            except Exception as error:  # noqa: BLE001  # metrics of an application are its own code
                log.log(logging.ERROR, "Cannot answer GET %s", shown(path), error=error)
                found = Page(500, b"this cannot be answered; the log says why\n")
            self.send_response(found.status)
            self.send_header("Content-Type", found.type)
            self.send_header("Content-Length", str(len(found.body)))
            self.end_headers()
            if with_body:
                self.wfile.write(found.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name there
            """Log nothing: it is called every few seconds."""

    return Handler
