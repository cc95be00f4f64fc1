"""The contract of an earlier state of the project: a lock in a file, or the one in a git revision.

A repository's own settings can name commands (for transports, hooks, filters, file system monitors), and an unpacked
archive can bring such a repository. None of them may run here. The revision is read by commands that use neither hooks
nor filters, and git is prevented from the one thing that they still might do: fetching an object that a partial clone
lacks. `GIT_NO_LAZY_FETCH` does that in git 2.45 and later. `GIT_ALLOW_PROTOCOL` works in every version, and
unlike `protocol.allow` it cannot be overridden by the repository's own `protocol.ext.allow`.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.catalog import lock
from upnext_codegen.deployed.snapshot import is_saved, read_saved
from upnext_codegen.errors import ConfigurationError
from upnext_codegen.files.git_lfs import POINTER, is_pointer
from upnext_codegen.layout.probing import exists, is_file

if TYPE_CHECKING:
    from upnext_codegen.contract import Contract
    from upnext_codegen.deployed.snapshot import DeployedState

_ENVIRONMENT = {
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_OPTIONS = (
    *("-c", "protocol.allow=never", "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}"),
    *("-c", "core.alternateRefsCommand=true", "-c", "maintenance.auto=false", "-c", "gc.auto=0"),
)
_NOT_THERE = 1
"""What `rev-parse --quiet` exits with where nothing has the name; every other failure is 128."""
_FATAL, _DUBIOUS = "fatal:", "dubious ownership"
"""What begins git's line that says what is wrong, and what it says of a repository of another user's."""


def earlier_contract(wanted: str, root: Path, asked: str = "") -> Contract | DeployedState | None:
    """Read the contract of an earlier state.

    Args:
        wanted: A file in the form of `upnext.lock`, or what `upnext contracts list --format json` printed, or else a
            revision of git ("main", "v1.2", "HEAD~1").
        root: The project root, whose lock a revision is asked for.
        asked: How it was asked for, for messages; by default with `--against`.

    Returns:
        The contract, or what is deployed; None where the revision holds no lock: it is from before upnext.

    Raises:
        ConfigurationError: If it is neither a file nor a revision, or what it holds is not a lock.
    """
    path, asked = Path(wanted), asked or f"--against {wanted if wanted.isprintable() else ascii(wanted)}"
    try:
        if is_file(path):
            text = path.read_bytes().decode("utf-8")
            saved = lock.read_object(text)
            return read_saved(wanted, saved) if saved is not None and is_saved(saved) else lock.read(text)
        data = _in_git(_Git(asked, root), wanted)
        return None if data is None else lock.read(data.decode("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{asked}: the earlier lock cannot be read: {_reason(error)}.") from error


def _in_git(git: _Git, revision: str) -> bytes | None:
    found = git.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    # `^main` is valid, and means everything that is not in it.
    if found.returncode == _NOT_THERE or found.stdout.startswith(b"^") or b"not a git repository" in found.stderr:
        raise ConfigurationError(
            f"{git.asked} is neither a file nor a revision of git here: name an upnext.lock, or fetch the "
            "revision first."
        )
    git.refuse_failure(found)
    # A lock that cannot be read here, as in a partial clone, is different from a lock that the revision does not
    # have.
    listed = git.run("ls-tree", "-z", found.stdout.decode().strip(), lock.FILE_NAME)
    git.refuse_failure(listed)
    if not listed.stdout:
        return None
    _, _, blob = listed.stdout.partition(b"\t")[0].split()
    held = git.run("cat-file", "blob", blob.decode())
    git.refuse_failure(held)
    if is_pointer(held.stdout.decode("utf-8", "replace")):
        raise ConfigurationError(
            f"{git.asked}: {lock.FILE_NAME} is {POINTER} there. Fetch that with "
            f"`git show {revision}:./{lock.FILE_NAME} | git lfs smudge > earlier.lock`, and name earlier.lock."
        )
    return held.stdout


class _Git(NamedTuple):
    """Reads the repository around a folder.

    Attributes:
        asked: How the revision was asked for, for messages.
        root: The folder.
    """

    asked: str
    root: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        try:
            command = ["git", *_OPTIONS, "-C", str(self.root), *arguments]  # whichever git the user's own commands find
            return subprocess.run(
                command, check=False, capture_output=True, stdin=subprocess.DEVNULL, env={**os.environ, **_ENVIRONMENT}
            )
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{self.asked} asks git, which cannot be run: {_reason(error)}.") from error

    def refuse_failure(self, done: subprocess.CompletedProcess[bytes]) -> None:
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            # Advice may follow the error.
            wrong = next((line for line in lines if line.startswith(_FATAL)), lines[-1] if lines else "it says nothing")
            if _DUBIOUS in wrong:
                raise ConfigurationError(
                    f"{self.asked}: git does not trust this repository, since its folder belongs to another user. If "
                    f"you do, run `git config --global --add safe.directory {_top(self.root)}`."
                )
            raise ConfigurationError(
                f"{self.asked}: git cannot read that revision: {wrong}. "
                "In a partial or shallow clone, fetch it first; `git fsck` finds damage."
            )


def _top(folder: Path) -> Path:
    """Return the folder of the repository that another one is in."""
    return next((each for each in (folder, *folder.parents) if exists(each / ".git")), folder)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
