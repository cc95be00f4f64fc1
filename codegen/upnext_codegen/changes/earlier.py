"""The contract of an earlier state of the project: a lock in a file, or the one that a revision of git holds."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from upnext_codegen.catalog import lock
from upnext_codegen.errors import ConfigurationError

if TYPE_CHECKING:
    from upnext_codegen.contract import Contract


def earlier_contract(wanted: str, root: Path) -> Contract | None:
    """Read the contract of an earlier state.

    Args:
        wanted: A file in the form of `upnext.lock`, or else a revision of git ("main", "v1.2", "HEAD~1").
        root: The project root, whose lock a revision is asked for.

    Returns:
        The contract, or None where the revision holds no lock: it is from before upnext.

    Raises:
        ConfigurationError: If it is neither a file nor a revision, or what it holds is no lock.
    """
    path = Path(wanted)
    try:
        data = path.read_bytes() if path.is_file() else _in_git(wanted, root)
        return None if data is None else lock.read(data.decode("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"--against {wanted}: the earlier lock cannot be read: {_reason(error)}.") from error


def _in_git(revision: str, root: Path) -> bytes | None:
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found.returncode:
        raise ConfigurationError(
            f"--against {revision} is neither a file nor a revision of git here: name an upnext.lock, or fetch the "
            "revision first."
        )
    # `cat-file` runs nothing that the repository's own settings could name.
    held = _git(root, "cat-file", "blob", f"{found.stdout.decode().strip()}:./{lock.FILE_NAME}")
    return None if held.returncode else held.stdout


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        command = ["git", "-C", str(root), *arguments]  # whichever git the user's own commands find
        return subprocess.run(command, check=False, capture_output=True)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"--against {arguments[-1]} asks git, which cannot be run: {_reason(error)}."
        ) from error


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
