"""Asks git which files it tracks: a tracked file is not ignored, whatever .gitignore says."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from upnext_codegen.layout.probing import exists

_PATIENCE = 20.0
"""Seconds; reading an index takes milliseconds, from a disk that is far away perhaps seconds."""
_MOST_PATHS = 500
"""Paths on one command line; of more, all that git tracks is listed."""
_SETTINGS = (
    # Settings that would run a program named by the repository, or write to the repository.
    *("core.fsmonitor=false", "core.hooksPath=/dev/null", "core.untrackedCache=false"),
    # A repository of another user, as in a container: its index is read like its sources, and nothing in it is run.
    "safe.directory=*",
)


def tracked(root: Path, paths: list[str]) -> list[str]:
    """List the files that git tracks among or below paths, both relative to the project root; none without git."""
    if not paths or not any(exists(each / ".git") for each in (root, *root.parents)):
        return []
    settings = [word for each in _SETTINGS for word in ("-c", each)]
    below = paths if len(paths) <= _MOST_PATHS else ["."]
    command = ["git", "-C", str(root), "--no-pager", "--literal-pathspecs", *settings]
    command += ["ls-files", "-z", "--cached", "--", *below]
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1"}
    try:
        answer = subprocess.run(
            command, check=False, stdin=subprocess.DEVNULL, capture_output=True, env=environment, timeout=_PATIENCE
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return []
    found = answer.stdout.decode("utf-8", "surrogateescape").split("\0") if not answer.returncode else []
    wanted = frozenset(paths)
    return [each for each in found if any(way in wanted for way in _ways(each))]


def _ways(path: str) -> list[str]:
    """Return a path and every folder around it."""
    parts = path.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
