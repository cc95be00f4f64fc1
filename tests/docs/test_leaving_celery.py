"""docs/how-to/leave-celery.md, walked: its files and commands in their order, with real workers of both libraries.

The workers that it starts take a minute of CPU, so `make compare` runs it, beside the programs of the other libraries.
Elsewhere it is skipped, and says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.story import REDIS_URL, Block, Story, blocks
from tests.servers import Server, valkey_binary

PAGE = blocks("docs/how-to/leave-celery.md")

pytestmark = [
    pytest.mark.skipif(not os.environ.get("UPNEXT_COMPARE"), reason="starts twenty workers: `make compare` does"),
    pytest.mark.timeout(900),
]


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """Give a reader whose Redis is a server that Celery and upnext share."""
    binary = valkey_binary()
    assert binary is not None
    with Server(binary, tmp_path / "server", tcp=True) as server:
        story = Story(tmp_path, port=0, redis_url=server.url)
        yield story
        story.end()


def test_every_step_of_the_page_does_what_it_shows(story: Story) -> None:
    for block in PAGE:
        story.perform(block)


KILLED = {
    "bridge/tasks.py": """
import os
import signal

from before.app import app
from bridge.events import order_placed


@app.task(bind=True, acks_late=True, reject_on_worker_lost=True)
def place_order(self, order_id: str) -> str:
    receipt = order_placed.options(key=self.request.id).send_sync(order_id=order_id, amount=40)
    if not self.request.delivery_info["redelivered"]:
        os.kill(os.getpid(), signal.SIGKILL)
    return receipt.event_id
""",
    "bridge/service.py": """
from bridge.events import order_placed, worker


@order_placed.on
def invoice(order_id: str, amount: int) -> None:
    with open("invoices", "a") as file:
        file.write(f"{order_id}: {amount}\\n")
""",
    "use.py": """
from pathlib import Path

import upnext
from bridge.tasks import place_order

event_id = place_order.delay("1").get(timeout=60)
upnext.Receipt.of(event_id).results_sync(timeout=30)
print(Path("invoices").read_text())
""",
}
COMMANDS = f"""\
$ export UPNEXT_REDIS_URL={REDIS_URL}
$ celery -A bridge.tasks worker --concurrency 2 &
$ upnext run bridge/service.py &
$ python use.py
1: 40
"""


def write(story: Story, files: dict[str, str]) -> None:
    """Write the files of the page that declare the application and the event, and these."""
    for block in PAGE:
        if block.file in {"before/__init__.py", "before/app.py", "bridge/__init__.py", "bridge/events.py"}:
            story.perform(block)
    for file, text in files.items():
        story.perform(Block("python", text, file))


def test_a_celery_task_that_dies_after_its_send_and_is_delivered_again_sends_one_event(story: Story) -> None:
    write(story, KILLED)
    story.perform(Block("console", COMMANDS, None))


SENT = {
    "bridge/tasks.py": """
from before.app import app
from bridge.events import order_placed

order_placed.options(key="import").send_sync(order_id="import", amount=0)  # before Celery forks


@app.task
def place_order(order_id: str) -> str:
    return order_placed.send_sync(order_id=order_id, amount=40).event_id
""",
    "use.py": """
from bridge.tasks import place_order

results = [place_order.delay(str(number)) for number in range(20)]
print(len({result.get(timeout=60) for result in results}))
""",
}


@pytest.mark.parametrize("pool", ["prefork --max-tasks-per-child 5", "threads", "solo"])
def test_celery_tasks_send_in_every_pool_also_after_their_parent_has_sent(story: Story, pool: str) -> None:
    write(story, SENT)
    commands = f"""\
$ export UPNEXT_REDIS_URL={REDIS_URL}
$ celery -A bridge.tasks worker --concurrency 2 --pool {pool} &
$ python use.py
20
"""
    story.perform(Block("console", commands, None))
