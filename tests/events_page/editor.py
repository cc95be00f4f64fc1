"""An editor with Pylance's engine: pyright's language server, asked as an editor asks it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SERVER = Path(sys.executable).parent / "pyright-langserver"


class Editor:
    """Opens files of a folder and asks for completions. No settings but the interpreter."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [str(SERVER), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._requests = 0
        root = {"uri": folder.as_uri(), "name": folder.name}
        capabilities = {"workspace": {"configuration": True, "workspaceFolders": True}}
        self.ask("initialize", processId=None, rootUri=root["uri"], workspaceFolders=[root], capabilities=capabilities)
        self._tell("initialized")

    def completions(self, file: str, text: str) -> list[str]:
        """Type a text into a file, and return what is offered at its end."""
        uri = (self._folder / file).as_uri()
        document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        self._tell("textDocument/didOpen", textDocument=document)
        lines = text.split("\n")
        end = {"line": len(lines) - 1, "character": len(lines[-1])}
        offered = self.ask("textDocument/completion", textDocument={"uri": uri}, position=end)
        return [item["label"] for item in offered["items"]]

    def ask(self, method: str, **parameters: Any) -> Any:
        """Send a request, and return its answer; what the server asks meanwhile is answered."""
        self._requests += 1
        number = self._requests
        self._write({"id": number, "method": method, "params": parameters})
        while True:
            message = self._read()
            if "method" in message and "id" in message:
                self._write({"id": message["id"], "result": self._settings(message)})
            elif message.get("id") == number:
                assert "error" not in message, message["error"]
                return message["result"]

    def _settings(self, message: dict[str, Any]) -> Any:
        if message["method"] != "workspace/configuration":
            return None
        sections = [item.get("section") for item in message["params"]["items"]]
        return [{"pythonPath": sys.executable} if section == "python" else None for section in sections]

    def _tell(self, method: str, **parameters: Any) -> None:
        self._write({"method": method, "params": parameters})

    def _write(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0"} | message).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        length = 0
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        assert length, "the language server ended"
        message: dict[str, Any] = json.loads(self._process.stdout.read(length))
        return message

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is None:
            self.ask("shutdown")
            self._tell("exit")
        else:
            self._process.kill()
        with self._process:
            pass
