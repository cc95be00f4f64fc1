"""`python -m upnext` is the same command line as `upnext`."""

from __future__ import annotations

import sys

from upnext.cli import main

if __name__ == "__main__":
    sys.exit(main())
