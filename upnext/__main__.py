"""Entry point of `upnext` and `python -m upnext`."""

from __future__ import annotations

import gc
import os
import sys


def run() -> int:
    """Run the command line, and exit quietly if it is interrupted while it is still loading."""
    try:
        from upnext.cli import main  # noqa: PLC0415 - see above
    except KeyboardInterrupt:
        return 130  # `exits.INTERRUPTED`, which is part of what was being loaded
    code = main()
    if sys.argv[1:2] != ["run"]:  # what a service leaves behind is its own
        gc.freeze()  # Python looks for garbage at the end: that took a quarter of what a short command takes.
    return code


def _current_folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - pathlib takes as long to load as the rest of this
    except FileNotFoundError:  # deleted: Python puts none on its path then
        return ""


if __name__ == "__main__":
    # `python -m` looks in the current folder first: a project's own json.py would be run instead of Python's.
    if sys.path and sys.path[0] in {"", _current_folder()}:
        del sys.path[0]
    sys.exit(run())
