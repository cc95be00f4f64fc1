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
async def confirm(order_id: str, user_id: str, **kwargs: object) -> None: ...
"""

BILLING = """\
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


@dataclass(frozen=True)
class Step:
    """An edit.

    Attributes:
        what: What it does.
        apply: Does it.
        errors: The lines of api.py that are wrong afterwards, and mypy's code for it.
    """

    what: str
    apply: Callable[[Project], None]
    errors: tuple[str, ...]


MISSING, WRONG = "call-arg", "arg-type"

STEPS = (
    Step("created", lambda project: None, (f"7 {MISSING}", f"8 {WRONG}", f"10 {MISSING}")),
    Step(
        "handler added",
        lambda project: project.write("billing", BILLING),
        (f"6 {MISSING}", f"7 {MISSING}", f"8 {MISSING}", f"8 {WRONG}", f"10 {MISSING}"),
    ),
    Step(
        "default added",
        lambda project: project.replace("billing", "total: float", "total: float = 0.0"),
        (f"7 {MISSING}", f"8 {WRONG}", f"10 {MISSING}"),
    ),
    Step(
        "parameter retyped",
        lambda project: project.replace("billing", "total: float = 0.0", 'total: str = "0"'),
        (f"7 {MISSING}", f"8 {WRONG}", f"9 {WRONG}", f"10 {MISSING}"),
    ),
    Step(
        "parameter renamed to a name of the same length",
        lambda project: project.replace("email", "user_id", "account"),
        (f"6 {MISSING}", f"7 {MISSING}", f"8 {MISSING}", f"9 {MISSING}", f"9 {WRONG}", f"10 {MISSING}"),
    ),
    Step(
        "parameter removed",
        lambda project: project.replace("email", "account: str, ", ""),
        (f"9 {WRONG}", f"10 {MISSING}"),
    ),
    Step(
        "parameter added",
        lambda project: project.replace("billing", "charge(", "charge(currency: str, "),
        (f"6 {MISSING}", f"7 {MISSING}", f"8 {MISSING}", f"9 {MISSING}", f"9 {WRONG}", f"10 {MISSING}"),
    ),
    Step("file deleted", lambda project: project.module("billing").unlink(), (f"10 {MISSING}",)),
    Step("event renamed", lambda project: project.replace("events", "order.placed", "order.taken"), ()),
    Step(
        "extra fields forbidden",
        lambda project: project.replace("events", '"order.taken"', '"order.placed", extra="forbid"'),
        (f"6 {MISSING}", f"8 {MISSING}", f"9 {MISSING}", f"10 {MISSING}"),
    ),
    Step(
        "catalog deleted",
        lambda project: project.catalog.unlink(),
        (f"6 {MISSING}", f"8 {MISSING}", f"9 {MISSING}", f"10 {MISSING}"),
    ),
    Step("last handler deleted", lambda project: project.replace("email", "@order_placed.on", ""), ("8 attr-defined",)),
)
