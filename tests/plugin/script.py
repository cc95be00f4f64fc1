"""A small project, a script of edits to it, and the errors that mypy has to report after each of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

CONFIGURATION = """\
[project]
name = "app"
version = "1.0"
dependencies = ["upnext"]

[tool.mypy]
plugins = ["upnext_mypy"]
"""

FAST = """
# What upnext builds on is most of the time of a cold run, and nothing of what is tested.
[[tool.mypy.overrides]]
module = ["fastapi.*", "pydantic.*", "pydantic_core.*", "redis.*", "starlette.*", "uvicorn.*"]
follow_imports = "skip"
"""

EVENTS = """\
import upnext

worker = upnext.Worker("app")
order_placed = worker.event("order.placed")
"""

EMAIL = """\
from app.events import order_placed


@order_placed.on
async def confirm(order_id: str, user_id: str, note: str = "", **kwargs: object) -> None: ...
"""

PAYMENT = """\
from app.events import order_placed


@order_placed.on
async def charge(total: float, **kwargs: object) -> None: ...
"""

API = """\
from app.email import confirm
from app.events import order_placed, worker


async def place() -> None:
    await order_placed.send(order_id="1", user_id="2")
    await order_placed.send(order_id="1")
    await confirm.send(order_id="1", user_id=2)
    await order_placed.send(order_id="1", user_id="2", total=3)
    await worker.event("order.placed").send(user_id="2")
"""

MANY = "import upnext\n\nworker = upnext.Worker('many')\n" + "".join(
    f'many{n} = worker.event("many.{n}")\n\n\n@many{n}.on\ndef on{n}(a: int) -> None: ...\n\n\n' for n in range(300)
)
"""A module with so many events that each worker gets a class of its own."""


@dataclass
class Project:
    """The project on the disk.

    Attributes:
        root: Its folder.
        source: Its import root, relative to that.
        configuration: Its pyproject.toml.
    """

    root: Path
    source: str = "src"
    configuration: str = CONFIGURATION + FAST
    edits: int = field(default=0)

    def create(self) -> None:
        (self.root / self.source / "app").mkdir(parents=True)
        (self.root / "pyproject.toml").write_text(self.configuration, encoding="utf-8")
        for name, text in {"__init__": "", "events": EVENTS, "email": EMAIL, "api": API}.items():
            self.write(name, text)

    @property
    def catalog(self) -> Path:
        return self.root / self.source / "upnext_catalog.pyi"

    def module(self, name: str) -> Path:
        return self.root / self.source / "app" / f"{name}.py"

    def write(self, name: str, text: str) -> None:
        """Write a module. Its time differs by whole seconds from all others: mypy's cache has no finer ones."""
        self.edits += 1
        self.module(name).write_text(text, encoding="utf-8")
        os.utime(self.module(name), (1_000_000_000 + self.edits, 1_000_000_000 + self.edits))

    def replace(self, name: str, old: str, new: str) -> None:
        text = self.module(name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new))

    def move(self, name: str, to: str) -> None:
        text = self.module(name).read_text(encoding="utf-8")
        self.module(name).unlink()
        self.write(to, text)


def _events_again(project: Project) -> None:
    project.replace("events", '"order.taken"', '"order.placed", extra="forbid"')


def _move_the_module(project: Project) -> None:
    project.move("email", "mail")
    project.replace("api", "app.email", "app.mail")


STEPS: tuple[tuple[str, Callable[[Project], None]], ...] = (
    ("created", lambda project: None),
    ("handler added", lambda project: project.write("payment", PAYMENT)),
    ("default added", lambda project: project.replace("payment", "total: float", "total: float = 0.0")),
    ("parameter retyped", lambda project: project.replace("payment", "total: float = 0.0", 'total: str = "0"')),
    ("parameter renamed to one as long", lambda project: project.replace("email", "user_id", "account")),
    ("parameter removed", lambda project: project.replace("email", "account: str, ", "")),
    ("parameter added", lambda project: project.replace("payment", "charge(", "charge(currency: str, ")),
    ("handler moved, so that who asks is all that changes", lambda project: project.move("payment", "till")),
    ("handler renamed", lambda project: project.replace("till", "charge(", "collect(")),
    ("conflict with a file that is not edited", lambda project: project.replace("till", ", **", ", note: int = 0, **")),
    ("lines added above the conflict", lambda project: project.replace("email", "\n\n\n", "\n# more\n# lines\n\n\n")),
    ("conflict ended", lambda project: project.replace("till", ", note: int = 0", "")),
    ("file deleted", lambda project: project.module("till").unlink()),
    ("event renamed", lambda project: project.replace("events", "order.placed", "order.taken")),
    ("event named as before, extra fields forbidden", _events_again),
    ("catalog deleted", lambda project: project.catalog.unlink()),
    ("module moved", _move_the_module),
    ("last handler deleted", lambda project: project.replace("mail", "@order_placed.on", "")),
)
"""The edits, in their order; what mypy says after each of them is in expected.txt."""

EXPECTED = Path(__file__).with_name("expected.txt")


def expected() -> dict[str, str]:
    """Return what a cold run says after each edit."""
    _, *parts = EXPECTED.read_text(encoding="utf-8").split("=== ")
    return {head: text for head, _, text in (part.partition("\n") for part in parts)}


def said(output: str) -> str:
    """Return what mypy said of the project in a form that is the same however it was run."""
    lines = [line.replace("src/", "") for line in output.splitlines() if line.partition(":")[0].endswith(".py")]
    lines = [line for line in lines if ': note: run "upnext explain' not in line]
    # Errors of one line stay in mypy's order: a note belongs to the error above it.
    lines.sort(key=lambda line: (line.split(":")[0], int(line.split(":")[1])))
    return "".join(f"{line}\n" for line in lines)
