"""`python -m upnext` is the same command line as `upnext`."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # `python -m` looks in the current folder first: a project's own json.py would be run instead of Python's.
    if sys.path and sys.path[0] in {"", str(Path.cwd())}:
        del sys.path[0]
    from upnext.cli import main

    sys.exit(main())
