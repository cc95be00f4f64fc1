"""`docs/tutorial.md`, word for word, by a reader who has installed the wheel in an empty environment."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.docs.story import Story, blocks
from tests.installed import Installed
from tests.servers import free_port
from tests.waiting import wait_until

PAGE = blocks("docs/tutorial.md")
INSTALL = ["python -m venv .venv", ". .venv/bin/activate", "pip install 'upnext[all]'"]
VARIES = re.compile(r"(?P<id>\b[0-9a-f]{28}\b)|(?P<time>\d{4}-\d\d-\d\dT[\d:.+]+)|(?P<path>/\S*/(?=stock\.py))")
LATER = ("upnext dead list", "upnext dead show")
"""What looks at the work of a worker: a reader comes to it a moment later."""


class Reader(Story):
    """Reads with understanding: ids, times and the folder are those of the own terminal, not those of the page."""

    def __init__(self, folder: Path, programs: Path) -> None:
        super().__init__(folder, port=0, programs=programs)
        self._ids: dict[str, str] = {}

    def _start(self, command: str) -> subprocess.Popen[str]:
        """Start the service; a reader sees in its log when it is ready."""
        port = free_port()
        service = super()._start(f"{command} --probe {port}")

        def is_ready() -> bool:
            assert service.poll() is None, self.log()
            try:
                return httpx.get(f"http://127.0.0.1:{port}", trust_env=False).status_code == 200
            except httpx.TransportError:
                return False

        wait_until(is_ready, what="a worker that is ready", timeout=60)
        return service

    def read(self, command: str, shown: str) -> None:
        """Type a command, and find what the page shows."""
        for on_page, real in self._ids.items():
            command = command.replace(on_page, real)
        if command.startswith(LATER):
            wait_until(lambda: self._typed(command) == without_what_varies(shown), what=f"what {command!r} shows")
            return
        output = self._type(command)
        assert without_what_varies(output) == without_what_varies(shown), command
        self._ids |= zip(ids(shown), ids(output), strict=True)

    def _typed(self, command: str) -> str:
        return without_what_varies(self._type(command))


def ids(text: str) -> list[str]:
    return [found["id"] for found in VARIES.finditer(text) if found["id"]]


def without_what_varies(text: str) -> str:
    return VARIES.sub(lambda found: f"<{found.lastgroup}>", text.rstrip("\n"))


@pytest.mark.long
def test_the_tutorial_goes_as_it_says(installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the page; each command answers what the page shows."""
    monkeypatch.delenv("UPNEXT_REDIS_URL", raising=False)
    shutil.copytree(installed.mypy_cache(), tmp_path / ".mypy_cache")  # the reader's first run takes longer
    reader = Reader(tmp_path, installed.folder / "bin")
    assert PAGE[0].text.splitlines() == INSTALL
    try:
        for block in PAGE[1:]:
            if block.file:
                reader.perform(block)
            elif block.language == "console":
                for command, shown in block.commands:
                    reader.read(command, shown)
            else:
                for command in block.text.splitlines():
                    assert reader.run(command).returncode == 0
    finally:
        reader.end()
    assert "upnext gen --check" in (tmp_path / ".github" / "workflows" / "upnext.yml").read_text()
