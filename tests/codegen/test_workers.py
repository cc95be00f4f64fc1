"""When type checkers can tell the workers of a project apart, so that a large catalog has a class for each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.codegen.reading import read

PLAIN = """\
from upnext import (
    Context,
    Worker,
)
import upnext

orders = Worker("orders")
billing = upnext.Worker(
    "billing", concurrency=3
)
placed = orders.event("order.placed")
"""


def test_workers_that_each_have_a_statement_of_their_own_are_told_apart(tmp_path: Path) -> None:
    scanned, _ = read(tmp_path, {"app.py": PLAIN, "other.py": "from app import orders\norders.event('a')\n"})
    assert scanned.workers == {"orders", "billing"}


@pytest.mark.parametrize(
    "more",
    [
        "class Own(Worker): ...",
        "def use(worker: upnext.Worker): ...",
        'def use(worker: "Worker"): ...',
        "from upnext import Worker as W",
        "make = Worker",
        "orders = billing",
        'if placed:\n    orders = Worker("again")',
        'def make():\n    worker = Worker("inner")',
        'class Holder:\n    worker = Worker("inner")',
        'workers = [Worker("listed")]',
        'import os\nnamed = Worker(os.environ["NAME"])',
        "def rebind():\n    global orders\n    orders = billing",
    ],
)
def test_whatever_else_is_done_with_a_worker_keeps_them_of_one_class(more: str, tmp_path: Path) -> None:
    assert not read(tmp_path, f"{PLAIN}{more}\n")[0].workers
