"""What is open in an Api when its process stops: streams and websockets have the grace to end, and no longer."""

from __future__ import annotations

import http.client
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from subprocess import Popen

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.sync.client import ClientConnection, connect

from tests.runtime.running import Ledger, ServiceFile
from tests.servers import free_port
from tests.waiting import wait_until

API = """
from fastapi import WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse

worker = upnext.Worker("shop")
api = upnext.Api("shop", port={port})

async def for_ever(swallow):
    while True:
        try:
            await asyncio.sleep(120)
        except asyncio.CancelledError:
            if not swallow:
                raise

async def chunks(swallow):
    yield b"first\\n"
    await for_ever(swallow)

def blocking_chunks():
    yield b"first\\n"
    time.sleep(120)

async def chunks_until_released():
    yield b"first\\n"
    while not os.path.exists("released"):
        await asyncio.sleep(0.01)
        yield b"more\\n"
    yield b"last\\n"

@api.get("/endless")
async def endless(swallow: bool = False) -> StreamingResponse:
    return StreamingResponse(chunks(swallow))

@api.get("/blocking")
async def blocking() -> StreamingResponse:
    return StreamingResponse(blocking_chunks())

@api.get("/released")
async def released() -> StreamingResponse:
    return StreamingResponse(chunks_until_released())

@api.websocket("/talk")
async def talk(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("first")
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect as error:
        note("disconnected", error.code)
        while not os.path.exists("released"):
            await asyncio.sleep(0.01)
        note("tidied")

@api.websocket("/deaf")
async def deaf(socket: WebSocket, swallow: bool = False) -> None:
    await socket.accept()
    await socket.send_text("first")
    await for_ever(swallow)
"""


class Serving:
    """A process of `upnext run` with an Api."""

    def __init__(self, process: Popen[str], port: int, ledger: Ledger) -> None:
        self.process = process
        self.port = port
        self.ledger = ledger

    @contextmanager
    def stream(self, path: str) -> Iterator[http.client.HTTPResponse]:
        """Open a streaming response, and read its first line."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as client:
            client.request("GET", path)
            response = client.getresponse()
            assert response.readline() == b"first\n"
            yield response

    @contextmanager
    def websocket(self, path: str) -> Iterator[ClientConnection]:
        """Open a websocket, and read its first message."""
        with connect(f"ws://127.0.0.1:{self.port}{path}", close_timeout=5) as socket:
            assert socket.recv(60) == "first"
            yield socket


@contextmanager
def serving(url: str, directory: Path, grace: str, *arguments: str) -> Iterator[Serving]:
    port = free_port()
    service = ServiceFile(directory, url, API.format(port=port), UPNEXT_GRACE=grace)
    with service.process(*arguments) as process:

        def answers() -> bool:
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as client:
                try:
                    client.request("GET", "/openapi.json")
                except ConnectionRefusedError:
                    return False
                return client.getresponse().status == 200

        wait_until(answers, timeout=60, what="the Api")
        yield Serving(process, port, service.ledger)


@pytest.mark.parametrize("further", [(), ("--processes", "2")], ids=["one process", "several"])
def test_streams_and_websockets_that_never_end_are_cut_off_after_the_grace(
    valkey_url: str, tmp_path: Path, further: tuple[str, ...]
) -> None:
    """Whatever they do: wait, block a thread, swallow their cancellation."""
    with serving(valkey_url, tmp_path, "0.3", *further) as api, ExitStack() as opened:
        paths = ("/endless", "/endless?swallow=1", "/blocking")
        responses = [opened.enter_context(api.stream(path)) for path in paths]
        sockets = [opened.enter_context(api.websocket(path)) for path in ("/deaf", "/deaf?swallow=1")]
        api.process.send_signal(signal.SIGTERM)
        assert api.process.wait(60) == 0
        for response in responses:
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                response.read()
        for socket in sockets:
            with pytest.raises(ConnectionClosed):
                socket.recv(60)


def test_a_stream_has_the_grace_to_end_and_a_websocket_is_told_to_connect_elsewhere(
    valkey_url: str, tmp_path: Path
) -> None:
    """The stream arrives whole; the websocket is closed at once as by a server that restarts, and its handler ends."""
    with (
        serving(valkey_url, tmp_path, "60") as api,
        api.stream("/released") as stream,
        api.websocket("/talk") as socket,
    ):
        socket.send("hello")
        assert socket.recv(60) == "hello"
        api.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(60)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == CloseCode.SERVICE_RESTART
        assert all(stream.readline() == b"more\n" for _ in range(100))  # it goes on for a second at least
        (tmp_path / "released").touch()
        assert stream.read().endswith(b"last\n")
        assert api.process.wait(60) == 0
        assert api.ledger.lines == ["disconnected 1012", "tidied"]
