"""Projects on the disk, and the command line run in them."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from upnext.cli import main

SHOP = {
    "pyproject.toml": "",
    "shop/__init__.py": "",
    "shop/events.py": """
        import upnext

        worker = upnext.Worker("shop")
        order_placed = worker.event("order.placed")
    """,
    "shop/email.py": """
        from shop.events import order_placed


        @order_placed.on
        async def send_confirmation(order_id: str, user_id: str, **kwargs: object) -> None: ...
    """,
    "shop/stock.py": """
        from shop.events import order_placed


        @order_placed.on(retries=2)
        async def update_inventory(order_id: str, items: list[str] | None = None, **kwargs: object) -> None: ...
    """,
}
"""A project without a fault."""


SERVICES = Path(__file__).parents[2] / "examples" / "services"
"""Two services: `storefront` sends to `orders`."""

ORDERS = (SERVICES / "orders" / "orders" / "events.py").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Shell:
    """Runs commands in one project."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    def write(self, files: dict[str, str]) -> None:
        """Write source files; their text may be indented."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")

    def run(self, *arguments: str) -> Outcome:
        """Run `upnext` with arguments."""
        self.capsys.readouterr()
        code = main(arguments)
        printed = self.capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    def text(self, name: str) -> str:
        """Return what a file holds."""
        return (self.root / name).read_text(encoding="utf-8")
