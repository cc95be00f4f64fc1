"""A handler that calls a Celery task: what becomes of its job while Celery's broker is away."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from celery import Celery

import upnext
from tests.runtime.running import running
from tests.servers import Server, valkey_binary
from tests.waiting import wait_until_async


async def test_a_handler_is_retried_until_the_broker_of_celery_is_back(
    valkey_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "upnext")
    binary = valkey_binary()
    assert binary is not None
    worker = upnext.Worker("shop", redis_url=valkey_url)
    order_placed = worker.event("order.placed")
    with Server(binary, tmp_path / "server", tcp=True) as broker, Celery("shop", broker=broker.url) as celery:
        broker.stop()

        @order_placed.on(retries=100, retry_delay=0.1, retry_backoff=1.0)
        def ship(order_id: str) -> str:
            return celery.send_task("ship", kwargs={"order_id": order_id}).id

        async with running(worker):
            receipt = await order_placed.send(order_id="1")
            await wait_until_async(lambda: "OperationalError" in caplog.text)
            broker.start()
            sent = (await receipt.results(timeout=60))["ship"]
            assert sent in broker.command("LRANGE", "celery", "0", "-1").decode()
