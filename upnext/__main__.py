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
        return 130  # `exits.INTERRUPTED`, which may not be loaded yet
    code = main()
    if sys.argv[1:2] != ["run"]:  # a service may have its own objects to finalize
        gc.freeze()  # Python collects garbage at exit: that took a quarter of the time of a short command.
    return code


def _current_folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - pathlib takes as long to load as the rest of this
    except FileNotFoundError:  # deleted: Python then puts no folder on its path
        return ""


if __name__ == "__main__":
    # `python -m` searches the current folder first: a project's json.py would be imported instead of Python's.
    if sys.path and sys.path[0] in {"", _current_folder()}:
        del sys.path[0]
    sys.exit(run())
