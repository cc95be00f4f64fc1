"""The processes under test: workers of two contract versions, a sender, and what the server says of them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.chaos.ledger import Freeze, Job, Ledger
from tests.servers import Server
from tests.waiting import wait_until, wait_until_async
from upnext.broker.namespace import Namespace
from upnext.broker.redis_types import RedisError
from upnext.broker.replies import pairs
from upnext.connect import reach
from upnext.errors import UpnextError
from upnext.runner.supervised import SUPERVISED
from upnext.settings import load

LEASE = 1.0
GRACE = 0.3

_HERE = Path(__file__).parent

_LASTING = {"dead", "dead:index", "events", "leases", "open", "partitions", "queues", "schedules", "ticks"}
_LASTING |= {"subs:order.placed", "subs:order.created", "subs:document.saved", "versions", "workers"}


@dataclass(frozen=True, slots=True)
class Size:
    """What a worker holds, resident memory in MB and open files, and the memory that the server uses, in MB."""

    memory: float
    files: int
    server: float


class Fleet:
    """Workers and a sender; one that was ended is started again.

    Args:
        server: Their server.
        directory: Where the ledger and the processes' log are.
        mortals: How many workers faults are done to; another one lives as long as the fleet.
        beside: The Python of an environment with another release of upnext: half of the workers of each contract
            run there, and every other sender. With renames only those of the earlier contract, and senders that use
            the earlier names: an earlier release need not know former names.
        partitions: How many the namespace grows to: the senders use one more after the other, half of the workers
            are set to all of them, the rest learn of them.
        renames: Whether the later contract is the earlier one with another name for the event, a field and a handler's
            function, as `upnext rename` makes it of the sources; every other sender uses the new names.

    Attributes:
        ends: How often workers that faults were done to ended with which exit code.
    """

    def __init__(
        self,
        server: Server,
        directory: Path,
        mortals: int,
        beside: str = sys.executable,
        partitions: int = 1,
        *,
        renames: bool = False,
    ) -> None:
        self.server = server
        self._directory = directory
        self._pythons = (sys.executable, beside)
        self._senders = 0
        self._partitions = partitions
        self._renamed = _renamed(directory / "renamed") if renames else None
        self.ends = Counter[int]()
        self._ledger = (directory / "ledger").open("a+")
        self.ledger = Ledger()
        self._log = (directory / "processes.log").open("ab")
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("UPNEXT_")},
            "UPNEXT_REDIS_URL": server.url,
            "UPNEXT_LEASE": str(LEASE),
            "UPNEXT_GRACE": str(GRACE),
            "UPNEXT_RESULT_TTL": "5",
            "LEDGER": str(directory / "ledger"),
        }
        self._talks: list[socket.socket] = []
        self.workers = [self.start_worker(n) for n in range(mortals)]
        self.bystander = self.start_worker(mortals)
        self.sender = self.start_sender()

    def start_worker(self, n: int) -> subprocess.Popen[bytes]:
        """Start a worker; the odd ones are of the later contract, the second and third of the release beside ours.

        With renames the third alone is: what was renamed runs on the release that renamed it.
        """
        is_later = n % 2 == 1
        service = self._renamed if is_later and self._renamed else _HERE / "service.py"
        python = self._pythons[n % 4 == 2 if self._renamed else (n + 1) // 2 % 2]
        command = [python, "-m", "upnext", "run", str(service)]
        partitions = self._partitions if n // 2 % 2 else 1
        own, talk = socket.socketpair()
        self._talks.append(own)  # nothing is answered
        with talk:
            # Its standard input is what ends it with the tests, however these end.
            supervised = {SUPERVISED: f"0,{talk.fileno()}"}
            environment = {
                "CONTRACT": "2" if is_later and not self._renamed else "1",
                "UPNEXT_PARTITIONS": str(partitions),
                **supervised,
            }
            return self._start(command, talk.fileno(), **environment)

    def start_sender(self) -> subprocess.Popen[bytes]:
        """Start a sender."""
        self._senders += 1
        partitions = 1 + self._senders % self._partitions
        is_renamed = bool(self._renamed and self._senders % 2)
        python = self._pythons[not is_renamed if self._renamed else self._senders % 2]
        command = [python, str(_HERE / "sender.py")]
        event, field = ("order.created", "number") if is_renamed else ("order.placed", "n")
        coupons = "0" if self._renamed else "1"
        return self._start(command, UPNEXT_PARTITIONS=str(partitions), EVENT=event, FIELD=field, COUPONS=coupons)

    def _start(self, command: list[str], *descriptors: int, **environment: str) -> subprocess.Popen[bytes]:
        env = {**self._environment, **environment}
        # Not in the repository: Python would import what lies there, whatever its environment holds.
        return subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stderr=self._log, cwd=self._directory, pass_fds=descriptors
        )

    def replace_worker(self, n: int) -> None:
        """Start a worker in place of one that is ending."""
        self.ends[self.workers[n].wait()] += 1
        _close(self.workers[n])
        self.workers[n] = self.start_worker(n)

    def replace_sender(self) -> None:
        """Start a sender in place of one that is ending."""
        self.sender.wait()
        _close(self.sender)
        self.sender = self.start_sender()

    async def freeze(self, n: int, seconds: float) -> Freeze:
        """SIGSTOP of a worker for so long."""
        process = self.workers[n]
        since = time.monotonic()
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)  # how long it is frozen
        freeze = Freeze(process.pid, since, time.monotonic())
        self.ledger.freezes.append(freeze)
        process.send_signal(signal.SIGCONT)
        return freeze

    def send(self, count: int) -> None:
        """Let the sender send so many events; nothing happens while there is none."""
        pipe = self.sender.stdin
        assert pipe is not None
        try:
            pipe.write(b"%d\n" % count)
            pipe.flush()
        except (BrokenPipeError, ValueError):
            return  # killed, or closed after that: another one is about to start

    def read(self) -> Ledger:
        """Read what was written since the last time, whole lines only."""
        place = self._ledger.tell()
        text = self._ledger.read()
        whole = text[: text.rfind("\n") + 1]
        self._ledger.seek(place + len(whole))
        self.ledger.read(whole.splitlines())
        return self.ledger

    def stop_sending(self) -> None:
        """End the sender when it knows what became of all that it sent."""
        assert self.sender.stdin is not None
        self.sender.stdin.close()
        assert self.sender.wait(60) == 0

    async def complete(self) -> None:
        """Wait until the sender and every worker take part, and nobody that was ended."""
        await wait_until_async(lambda: self.sender.pid in self.read().senders, timeout=60, what="the sender")
        broker = await reach(load(redis_url=self.server.url))

        async def is_complete() -> bool:
            told = await broker.link.command("HVALS", broker.keys.workers)
            return sorted(json.loads(text)["pid"] for text in told) == sorted(w.pid for w in self.living)

        await wait_until_async(is_complete, timeout=60, what="all workers")

    @property
    def living(self) -> list[subprocess.Popen[bytes]]:
        """All workers, the last one that nothing is done to."""
        return [*self.workers, self.bystander]

    async def rest(self) -> dict[Job, str]:
        """Wait until only dead letters are left, as long as jobs end; returns their reasons.

        What is limited may have much to do after minutes of faults on a slow machine.
        """
        namespace = await reach(load(redis_url=self.server.url))
        while left := await _open_jobs(namespace):

            async def moves(before: int = left) -> bool:
                return await _open_jobs(namespace) != before

            await wait_until_async(moves, timeout=90, what=f"the end of one of {left} jobs")
        dead: dict[Job, str] = {}
        for letter in await namespace.dead_letters.dead():
            body = await namespace.dead_letters.payload(letter)
            payload = json.loads(body or b"{}")
            self.ledger.dead.add(letter.job_id)
            dead[payload.get("number", payload.get("n")), letter.handler] = letter.reason
        return dead

    async def ticks(self) -> dict[int, str]:
        """Wait until the schedule has run for all ticks so far; returns the event of each, by its second."""
        ask = (await reach(load(redis_url=self.server.url))).link.command
        now = int((await ask("TIME"))[0])
        found: dict[int, str] = {}

        async def have_run() -> bool:
            for key in await ask("KEYS", "*:key:task:shop||ticked:tick-*"):
                found[int(key.rpartition(b"-")[2]) // 1000] = json.loads(await ask("GET", key))[0]
            ledger = self.read()
            dead = {job.partition(".")[0] for job in ledger.dead}
            return max(found, default=0) >= now and set(found.values()) <= ledger.ticked | dead

        await wait_until_async(have_run, timeout=60, what="all ticks")
        return found

    async def replay_refused_payloads(self) -> None:
        """Leave only workers of the later contract, and replay what those of the earlier one could not take."""
        earlier = self.living[::2]
        for worker in earlier:
            worker.terminate()
        for worker in earlier:
            await asyncio.to_thread(worker.wait, 60)  # or it would take what is replayed
        late = self.start_worker(1)
        try:
            broker = await reach(load(redis_url=self.server.url))
            for letter in await broker.dead_letters.dead():
                if letter.reason == "payload":
                    await broker.dead_letters.replay(letter.job_id)
            await self.rest()
        finally:
            late.kill()
            late.wait()
            _close(late)

    async def tidy(self) -> None:
        """Wait until no key is left for ever but those of dead letters, subscriptions and living workers."""
        broker = await reach(load(redis_url=self.server.url))
        ask = broker.link.command

        async def litter() -> set[str]:
            lasting = [key for key in await ask("KEYS", "*") if await ask("TTL", key) == -1]
            return {key.decode().partition("}:")[2] for key in lasting} - _LASTING - {"wake:shop"}

        async def is_tidy() -> bool:
            return not await litter()

        await wait_until_async(is_tidy, timeout=30, what=f"the end of {await litter()}")

    async def size(self) -> Size:
        """Measure the worker that lives as long as the fleet, and the server."""
        process = psutil.Process(self.bystander.pid)
        told: list[bytes] = []

        async def has_told() -> bool:
            try:
                broker = await reach(load(redis_url=self.server.url))
                told.append(await broker.link.command("INFO", "memory"))
            except (UpnextError, RedisError, OSError):
                return False  # It is being killed, frozen or started again just now.
            return True

        await wait_until_async(has_told, timeout=60, what="an answer of the server")
        (used,) = (line for line in told[0].decode().split() if line.startswith("used_memory:"))
        return Size(process.memory_info().rss / 1e6, process.num_fds(), int(used.partition(":")[2]) / 1e6)

    def survivors(self) -> Counter[int]:
        """Return how often workers ended with which exit code, 0 for those that live."""
        return self.ends + Counter(worker.poll() or 0 for worker in self.living)

    def wait_until_it_works(self) -> None:
        """Return when an event has been through all handlers."""
        known = len(self.read().accepted)
        self.send(1)
        wait_until(lambda: len(self.read().accepted) > known, timeout=60, what="a first event")

    def end(self) -> None:
        """End all processes."""
        for process in (*self.living, self.sender):
            process.kill()
            process.wait()
            _close(process)
        self._ledger.close()
        self._log.close()
        for talk in self._talks:
            talk.close()


async def _open_jobs(namespace: Namespace) -> int:
    """Return how many jobs of events of several handlers have not ended; one that waits to be routed counts as well."""
    jobs, dead = b"", 0
    for partition in await namespace.partitions():
        ask = partition.link.command
        several = dict(pairs(await ask("HGETALL", partition.keys.open)))
        jobs += b"".join(several.values())
        dead += sum(job.partition(b".")[0] in several for job in await ask("HKEYS", partition.keys.dead))
    return jobs.count(b"1") + jobs.count(b"?") - dead


def _renamed(folder: Path) -> Path:
    """Make the later release of the service: its sources, renamed by the command."""
    folder.mkdir()
    service = folder / "service.py"
    service.write_bytes((_HERE / "service.py").read_bytes())
    (folder / "pyproject.toml").touch()
    for names in (
        ("event", "order.placed", "order.created"),
        ("field", "order.created", "n", "number"),
        ("handler", "steady", "steadily"),
    ):
        subprocess.run([sys.executable, "-m", "upnext", "rename", *names, "--write"], cwd=folder, check=True)
    return service


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None and not process.stdin.closed:
        try:
            process.stdin.close()
        except BrokenPipeError:
            return
