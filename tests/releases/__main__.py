"""Two installed releases on one server: what one sends the other runs, in every pairing, and nothing is lost.

`python -m tests.releases --from REF` builds the wheel of that tag or commit and that of the checkout, and installs each
into an environment of its own. CI holds this release to what earlier ones have written (tests/docs/test_protocol.py);
this is for before a release, and takes minutes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.installed import CONSTRAINTS, ROOT, TOOLS, answer_of
from tests.servers import Server, every_binary
from tests.waiting import wait_until

SERVICE = Path(__file__).with_name("service.py")
KINDS = ("steady", "flaky", "task", "result")
PATIENCE = 180.0  # seconds


@dataclass(frozen=True)
class Pairing:
    """Who sends and who works in one run.

    Attributes:
        senders: The releases that send, at the same time.
        workers: Those that work.
        killed: The one whose worker is killed in the middle, "" for none.
    """

    senders: tuple[str, ...]
    workers: tuple[str, ...]
    killed: str = ""

    def __str__(self) -> str:
        killed = f", the {self.killed} worker killed" if self.killed else ""
        return f"{' and '.join(self.senders)} sender, {' and '.join(self.workers)} worker{killed}"


PAIRINGS = (
    Pairing(("old",), ("new",)),
    Pairing(("new",), ("old",)),
    Pairing(("old", "new"), ("old", "new")),
    Pairing(("old", "new"), ("old", "new"), killed="old"),
    Pairing(("old", "new"), ("old", "new"), killed="new"),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.releases", description=__doc__)
    parser.add_argument("--from", dest="ref", required=True, metavar="REF", help="the other release: a tag or commit")
    parser.add_argument("--jobs", type=int, default=500, help="how many of everything each sender sends")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="upnext-releases-") as name:
        folder = Path(name)
        old = installed(at_ref(arguments.ref, folder), folder / "old")
        pythons = {"old": old, "new": installed(ROOT, folder / "new")}
        failed = 0
        for server_name, binary in every_binary().items():
            say(f"old is {arguments.ref}, new is this checkout, on {server_name}")
            for number, pairing in enumerate(PAIRINGS):
                with Server(binary, folder / f"{server_name}.{number}") as server:
                    failed += not run(pairing, pythons, server, arguments.jobs)
    return int(failed > 0)


def at_ref(ref: str, folder: Path) -> Path:
    """Return a folder with the sources of a tag or commit."""
    sources = folder / "sources"
    sources.mkdir()
    with subprocess.Popen(["git", "archive", ref], cwd=ROOT, stdout=subprocess.PIPE) as archive:
        subprocess.run(["tar", "-x"], cwd=sources, stdin=archive.stdout, check=True)
    if archive.returncode:
        sys.exit(f"There is no tag or commit {ref!r} here.")
    return sources


def installed(sources: Path, folder: Path) -> Path:
    """Build a wheel of sources and install it; returns the Python that has it."""
    folder.mkdir()
    must(
        str(TOOLS / "python"), "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder), cwd=sources
    )
    (wheel,) = folder.glob("*.whl")
    python = folder / "environment" / "bin" / "python"
    must(str(TOOLS / "uv"), "venv", "--quiet", "--python", sys.executable, str(folder / "environment"), cwd=folder)
    install = (
        str(TOOLS / "uv"),
        "pip",
        "install",
        "--quiet",
        "--python",
        str(python),
        "--constraint",
        str(CONSTRAINTS),
    )
    must(*install, str(wheel), cwd=folder)
    return python


def must(*command: str, cwd: Path) -> None:
    answer = answer_of(*command, cwd=cwd)
    if answer.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{answer.stdout}{answer.stderr}")


def run(pairing: Pairing, pythons: Mapping[str, Path], server: Server, jobs: int) -> bool:
    """Run one pairing, and print and return whether everything that was sent was done."""
    ledger = server.directory / "ledger"
    ledger.touch()
    environment = {**os.environ, "UPNEXT_REDIS_URL": server.url, "LEDGER": str(ledger)}
    expected = {f"{kind} {n}" for kind in KINDS for n in range(jobs * len(pairing.senders))}
    with ExitStack() as stack:

        def start(release: str, *words: object) -> subprocess.Popen[bytes]:
            command = [pythons[release], SERVICE, *map(str, words)]
            return stack.enter_context(started(command, environment, folder=server.directory))

        workers = {release: start(release, "work") for release in pairing.workers}
        senders = [
            start(release, "send", jobs * number, jobs * (number + 1)) for number, release in enumerate(pairing.senders)
        ]
        if pairing.killed:
            wait_until(lambda: len(done(ledger)) > len(expected) / 4, PATIENCE, "a quarter of the jobs")
            workers[pairing.killed].kill()
        with suppress(AssertionError):  # what is missing then is reported below
            wait_until(lambda: expected <= done(ledger).keys(), PATIENCE, interval=0.2)
        failed = [sender.poll() for sender in senders if sender.poll() not in {0, None}]
    found = done(ledger)
    lost, again = sorted(expected - found.keys()), found.total() - len(found)
    say(f"{pairing}: {len(expected):,} expected, {len(lost)} lost, {again} done again")
    if lost or failed:
        log = (server.directory / "log").read_text(encoding="utf-8").splitlines()
        say(
            *(f"  lost: {line}" for line in lost[:10]),
            *(f"  a sender ended with {code}" for code in failed),
            *log[-50:],
        )
    return not lost and not failed


def say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def done(ledger: Path) -> Counter[str]:
    """Return what was done, and how often."""
    return Counter(ledger.read_text(encoding="utf-8").splitlines())


@contextmanager
def started(
    command: Sequence[str | Path], environment: Mapping[str, str], folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process, and end it with the block."""
    # In a folder without a checkout, which Python would find before what is installed.
    with (
        (folder / "log").open("ab") as log,
        subprocess.Popen(command, env=environment, cwd=folder, stderr=log) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()


if __name__ == "__main__":
    sys.exit(main())
