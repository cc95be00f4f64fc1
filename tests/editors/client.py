"""An editor as a language server sees it: a client that opens files, asks, saves and reads diagnostics."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

PATIENCE = 120.0
"""Seconds for one answer of a server; only a machine that hangs takes so long."""

_CAPABILITIES = {
    "workspace": {
        "configuration": True,
        "workspaceFolders": True,
        "didChangeWatchedFiles": {"dynamicRegistration": True},
    },
    "textDocument": {
        "publishDiagnostics": {},
        "hover": {"contentFormat": ["markdown", "plaintext"]},
        "signatureHelp": {"signatureInformation": {"documentationFormat": ["markdown", "plaintext"]}},
        "completion": {"completionItem": {"documentationFormat": ["markdown", "plaintext"]}},
    },
}


@dataclass(frozen=True)
class Diagnostic:
    """A message and where it stands: line and column of its start and its end, from 0."""

    message: str
    start: tuple[int, int]
    end: tuple[int, int]


class Editor:
    """Works in one folder with one language server."""

    def __init__(self, folder: Path, command: list[str], settings: dict[str, Any]) -> None:
        """Start the server.

        Args:
            folder: The one that is open in the editor.
            command: What starts the server.
            settings: The editor's settings, by section.
        """
        self._folder = folder
        self._settings = settings
        self._requests = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._texts: dict[str, str] = {}
        self._published: dict[str, list[dict[str, Any]]] = {}
        self._watches = False
        self._process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._process.stdout is not None
        self._messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        threading.Thread(target=_read, args=(self._process.stdout, self._messages), daemon=True).start()
        root = {"uri": folder.as_uri(), "name": folder.name}
        self._ask(
            "initialize", processId=None, rootUri=root["uri"], workspaceFolders=[root], capabilities=_CAPABILITIES
        )
        self._tell("initialized")

    def open(self, file: str, text: str | None = None) -> None:
        """Open a file, or type a text into a new one."""
        self._texts[file] = (self._folder / file).read_text(encoding="utf-8") if text is None else text
        document = {"uri": self._uri(file), "languageId": "python", "version": 1, "text": self._texts[file]}
        self._tell("textDocument/didOpen", textDocument=document)

    def completions(self, file: str, after: str) -> list[str]:
        """Return what is offered behind the first place of a text in an open file."""
        offered = self._ask("textDocument/completion", **self._place(file, after)) or []
        items = offered["items"] if isinstance(offered, dict) else offered
        return [item["label"] for item in items]

    def hover(self, file: str, over: str) -> str:
        """Return what is shown over the last letter of the first place of a text in an open file."""
        place = self._place(file, over)
        place["position"]["character"] -= 1
        answer = self._ask("textDocument/hover", **place) or {"contents": ""}
        contents = answer["contents"]
        return str(contents["value"] if isinstance(contents, dict) else contents)

    def signature(self, file: str, after: str) -> str:
        """Return the help for the call behind the first place of a text in an open file."""
        answer = self._ask("textDocument/signatureHelp", **self._place(file, after))
        return json.dumps(answer["signatures"]) if answer else ""

    def changed(self, *files: str) -> None:
        """Tell the server, once it watches files, that some were written."""
        self._read_until(lambda: self._watches, "watching files")
        for file in files:
            if file in self._texts:
                self._tell("textDocument/didSave", textDocument={"uri": self._uri(file)})
        changes = [{"uri": self._uri(file), "type": 2} for file in files]
        self._tell("workspace/didChangeWatchedFiles", changes=changes)

    def diagnostics(self, file: str, wanted: Callable[[list[str]], object]) -> list[str]:
        """Wait until the messages of an open file's diagnostics are as wanted, and return them."""

        def messages() -> list[str]:
            return [each["message"] for each in self._published.get(self._uri(file), [])]

        self._read_until(lambda: self._uri(file) in self._published and wanted(messages()), "the diagnostics")
        return messages()

    def published(self, file: str) -> list[Diagnostic]:
        """Return an open file's diagnostics as they stand, with their places."""
        return [
            Diagnostic(
                each["message"],
                (each["range"]["start"]["line"], each["range"]["start"]["character"]),
                (each["range"]["end"]["line"], each["range"]["end"]["character"]),
            )
            for each in self._published[self._uri(file)]
        ]

    def _uri(self, file: str) -> str:
        return (self._folder / file).as_uri()

    def _place(self, file: str, text: str) -> dict[str, Any]:
        before, found, _ = self._texts[file].partition(text)
        assert found, f"{text!r} is not in {file}"
        lines = (before + found).split("\n")
        position = {"line": len(lines) - 1, "character": len(lines[-1])}
        return {"textDocument": {"uri": self._uri(file)}, "position": position}

    def _ask(self, method: str, **parameters: Any) -> Any:
        self._requests += 1
        number = self._requests
        self._write({"id": number, "method": method, **({"params": parameters} if parameters else {})})
        self._read_until(lambda: number in self._answers, f"the answer to {method}")
        answer = self._answers.pop(number)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def _read_until(self, reached: Callable[[], object], what: str) -> None:
        """Read messages until something is reached; what the server asks meanwhile is answered."""
        deadline = time.monotonic() + PATIENCE
        while not reached():
            try:
                message = self._messages.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"{what} did not come within {PATIENCE:g} seconds: {self._published}") from None
            assert message is not None, f"the language server ended before {what} came"
            self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        match message:
            case {"method": "textDocument/publishDiagnostics", "params": {"uri": uri, "diagnostics": found}}:
                self._published[uri] = found
            case {"method": method, "id": number}:
                self._write({"id": number, "result": self._answer(method, message.get("params"))})
            case {"id": number} if "method" not in message:
                self._answers[number] = message
            case _:
                pass

    def _answer(self, method: str, parameters: Any) -> Any:
        if method == "client/registerCapability":
            methods = {each["method"] for each in parameters["registrations"]}
            self._watches = self._watches or "workspace/didChangeWatchedFiles" in methods
        if method == "workspace/configuration":
            return [self._settings.get(item.get("section")) for item in parameters["items"]]
        return None

    def _tell(self, method: str, **parameters: Any) -> None:
        self._write({"method": method, "params": parameters})

    def _write(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0"} | message).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with self._process:
            try:
                if error is None:
                    self._ask("shutdown")
                    self._write({"method": "exit"})
                    self._process.wait(PATIENCE)
            finally:
                self._process.kill()


def _read(output: IO[bytes], messages: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    """Read messages until the server ends, which is told as None."""
    while length := _content_length(output):
        messages.put(json.loads(output.read(length)))
    messages.put(None)


def _content_length(output: IO[bytes]) -> int:
    length = 0
    while line := output.readline().strip():
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    return length
