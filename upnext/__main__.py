"""What `upnext` and `python -m upnext` start with."""

from __future__ import annotations

import sys
from pathlib import Path


def run() -> int:
    """Run the command line, and end as quietly as it does if it is interrupted while it is still being loaded."""
    try:
        from upnext.cli import main  # noqa: PLC0415 - see above
    except KeyboardInterrupt:
        return 130  # `exits.INTERRUPTED`, which is part of what was being loaded
    return main()


if __name__ == "__main__":
    # `python -m` looks in the current folder first: a project's own json.py would be run instead of Python's.
    if sys.path and sys.path[0] in {"", str(Path.cwd())}:
        del sys.path[0]
    sys.exit(run())
