"""Exit codes of the command line."""

from __future__ import annotations

from typing import Final

CLEAN: Final = 0
"""Nothing to report, or warnings only."""

FINDINGS: Final = 1
"""At least one error was found."""

USAGE: Final = 2
"""The command line or the configuration cannot be used."""

UNREACHABLE: Final = 3
"""Redis cannot be reached."""

UNWRITABLE: Final = 4
"""The output cannot be written: a disk is full, perhaps."""

INTERRUPTED: Final = 130
"""The user pressed Ctrl-C."""
