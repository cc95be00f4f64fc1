"""The code blocks of a page of the documentation, performed in the order in which a reader meets them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
REDIS_URL = "redis://localhost:6379/0"
BLOCK = re.compile(
    r"(?:^ *<!-- file: (?P<file>\S+) -->\n)?^(?P<indent> *)```(?P<language>\w+)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block of code; `file` is the name that a comment above it gives."""

    language: str
    text: str
    file: str | None

    @property
    def commands(self) -> Iterator[tuple[str, str]]:
        """Each command of a console with what it prints."""
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page, such as "README.md", without the indentation that a list gives them."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(found["language"], re.sub(f"(?m)^{found['indent']}", "", found["text"]), found["file"])
        for found in BLOCK.finditer(text)
    ]


class Story:
    """A reader's folder and terminal.

    Args:
        folder: The folder, empty.
        port: What the pages' port 8000 is here.
        programs: Where the commands are, in the environment that the reader has activated.
        redis_url: What the pages' `redis://localhost:6379/0` is here.
    """

    def __init__(self, folder: Path, port: int, programs: Path = PROGRAMS, redis_url: str = REDIS_URL) -> None:
        self.folder = folder
        self._port = port
        self._programs = programs
        self._redis_url = redis_url
        self._jobs: dict[str, subprocess.Popen[str]] = {}
        path = os.pathsep.join([str(programs), os.environ["PATH"]])
        self._environment = os.environ | {"PATH": path, "VIRTUAL_ENV": str(programs.parent), "NO_COLOR": "1"}

    def perform(self, block: Block) -> None:
        """Write the file, or type the commands and compare what they print."""
        if block.file:
            text = block.text.replace('upnext.Api("shop")', f'upnext.Api("shop", port={self._port})')
            file = self.folder / block.file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.replace(REDIS_URL, self._redis_url), encoding="utf-8")
        for command, output in block.commands if block.language == "console" else ():
            typed = command.replace(":8000", f":{self._port}").replace(REDIS_URL, self._redis_url)
            assert self._type(typed) == output.rstrip("\n"), f"{command}\n{self.log()}"

    def _type(self, command: str) -> str:
        if command.startswith("curl "):
            return self._post(*shlex.split(command)[1:])
        word, *others = shlex.split(command)
        if word == "kill":
            self._stop(others)
            return ""
        if word == "export":
            self._environment |= dict(each.split("=", 1) for each in others)
            return ""
        if command.endswith(" &"):
            self._start(command.removesuffix(" &"))
            return ""
        return self.run(command).stdout.rstrip("\n")

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as the reader would."""
        words = shlex.split(command)
        return subprocess.run(
            [str(self._programs / words[0]), *words[1:]],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def _start(self, command: str) -> subprocess.Popen[str]:
        """Run a command in the background, as the job of the first free number."""
        words = shlex.split(command)
        number = next(name for name in map("%{}".format, range(1, 100)) if name not in self._jobs)
        with (self.folder / f"job{number}.log").open("w") as log:
            job = self._jobs[number] = subprocess.Popen(
                [str(self._programs / words[0]), *words[1:]],
                cwd=self.folder,
                env=self._environment,
                stdout=log,
                stderr=log,
                text=True,
            )
        return job

    def log(self) -> str:
        """Return what the jobs in the background have printed."""
        return "".join(f"{name}:\n{(self.folder / f'job{name}.log').read_text()}" for name in self._jobs)

    def _post(self, url: str, option: str, body: str) -> str:
        assert option == "--json"
        answers: list[str] = []
        headers = {"content-type": "application/json"}

        def answered() -> bool:
            assert all(job.poll() is None for job in self._jobs.values()), self.log()
            try:
                answers.append(httpx.post(url, content=body, headers=headers, timeout=30, trust_env=False).text)
            except httpx.ConnectError:
                return False
            return True

        wait_until(answered, timeout=60, what=f"an answer of {url}")
        return answers[0]

    def _stop(self, names: list[str]) -> None:
        for name in names:
            self._jobs[name].terminate()
        for name in names:
            self._jobs.pop(name).wait(30)

    def end(self) -> None:
        """Stop what runs in the background."""
        self._stop([*self._jobs])
