"""`docs/how-to/first-night.md`, word for word: each trouble is made, found by the commands of the page, and mended."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.docs.story import Story, blocks
from tests.servers import Server, valkey_binary
from tests.waiting import wait_until
from upnext.cli import main

PAGE = blocks("docs/how-to/first-night.md")
ON_PAGE = "redis://localhost:6379"
LOOKS = ("upnext dead list", "upnext doctor", "upnext status", "upnext jobs list")
VARIES = re.compile(
    r"(?P<id>\b[0-9a-f]{28}\b)|(?P<time>\d{4}-\d\d-\d\dT[\d:.+]+)|(?P<age>\b(\d+(\.\d+)?(s|ms)|\d+m( \d+s)?)\b)"
    r"|(?P<process>\(\S+ \d+\)|(?<=^shop )\S+ \d+)|(?P<versions>Valkey .*|upnext \d.*)",
    re.MULTILINE,
)


class Night(Story):
    """Reads with understanding, and types a command again until it shows what the page shows."""

    def __init__(self, folder: Path, server: Server) -> None:
        super().__init__(folder, port=0)
        self._server = server
        # A process that is gone is missed sooner than after ten seconds.
        self._environment |= {"UPNEXT_LEASE": "3"}

    def make(self, trouble: str) -> None:
        """Do what the page says to make a trouble, or to end it."""
        match trouble:
            case "redis-cli shutdown":
                self._server.stop()
            case "redis-server":
                self._server.start()
            case "kill %1":
                self.end()
            case _ if trouble.endswith(" &"):
                self._service = self._start(trouble.removesuffix(" &"))
                wait_until(lambda: "Workers: 2" in self._told("upnext status"), timeout=60, interval=0.2)
            case _ if trouble.startswith("upnext "):
                code, told = self._typed(trouble)
                assert code == 0, told
            case _:
                subprocess.run(trouble, shell=True, cwd=self.folder, env=self._environment, check=True)

    def find(self, command: str, shown: str) -> None:
        """Type a command, and find what the page shows; what only looks is typed again until it shows that."""
        wanted = _plain(shown)
        if not command.startswith(LOOKS):
            assert self._told(command) == wanted, command
            return
        what = f"what the page shows for {command!r}"
        wait_until(lambda: self._told(command) == wanted, timeout=100, interval=1, what=what)

    def _told(self, command: str) -> str:
        return self._typed(command)[1]

    def _typed(self, command: str) -> tuple[int, str]:
        """Type a command in this process, which is as often as one likes for next to nothing."""
        told, aside = io.StringIO(), io.StringIO()
        shown = told if " gen " not in command else aside
        words = shlex.split(command.replace(ON_PAGE, self._server.url))
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(told), contextlib.redirect_stderr(shown):
            code = main(words[1:])
        shown_text = told.getvalue().replace(self._server.url, ON_PAGE)
        return code, _plain(shown_text.replace(urlsplit(self._server.url).netloc, urlsplit(ON_PAGE).netloc))


def _plain(text: str) -> str:
    """Leave out what is of one night only, and the blanks of tables, whose columns are as wide as that."""
    blanks = re.sub(r"[ \n]*\n", "\n", re.sub(r" +", " ", text)).strip()
    told = VARIES.sub(lambda found: f"<{found.lastgroup}>", blanks)
    # A process that ends before it has found its server again cannot say so, and is listed until others notice.
    told = re.sub(r"(?m)^shop <process> .* dead\n", "", told)
    return re.sub(r"(?m)^worker host pid .*\n(?!shop)", "", told)


@pytest.mark.timeout(600)
def test_each_trouble_of_the_night_is_found_and_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the page."""
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.setenv("NO_COLOR", "1")
    binary = valkey_binary()
    if binary is None:
        pytest.skip("no Valkey on this machine")
    with Server(binary, tmp_path / "server", appendonly=True, tcp=True) as server:
        monkeypatch.setenv("UPNEXT_REDIS_URL", server.url)
        night = Night(folder, server)
        try:
            for block in PAGE:
                if block.file:
                    night.perform(block)
                elif block.language == "console":
                    for command, shown in block.commands:
                        night.find(command, shown)
                else:
                    for line in block.text.splitlines():
                        night.make(line)
        finally:
            night.end()
