"""What is known about a mypy run when it constructs its plugins: its files, and its search paths.

mypy passes none of that to a plugin. By then it has been constructed but not used, so it can be found among the
objects of the process, and still be adjusted.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import mypy
from mypy.fscache import FileSystemCache
from mypy.modulefinder import BuildSource, SearchPaths
from mypy.options import Options

_OWN = Path(mypy.__file__).parent


@dataclass(frozen=True, slots=True)
class Run:
    """A run of mypy.

    Attributes:
        sources: The files that it was given, by name or in folders, and not those that it found by following imports.
        modules: The names that they have.
        search_paths: Where it will look for modules.
        caches: What it remembers of the file system.
    """

    sources: tuple[Path, ...]
    modules: frozenset[str]
    search_paths: tuple[SearchPaths, ...]
    caches: tuple[FileSystemCache, ...]

    def forget_folders(self) -> None:
        """Let mypy examine files again that it saw while collecting sources, before there was a plugin.

        The daemon would go on with the catalog as it was then, until the next run.
        """
        for each in self.caches:
            each.flush()

    def finds(self, module: str) -> bool:
        """Whether mypy was given a module of this name, or will search a folder that has it."""
        folders = [folder for each in self.search_paths for folder in (*each.python_path, *each.mypy_path)]
        return module in self.modules or any(_holds(Path(folder), module) for folder in folders)

    def look_into(self, folder: Path, options: Options) -> None:
        """Make mypy search a further folder for modules, after the configured ones."""
        for each in self.search_paths:
            if str(folder) not in each.mypy_path:
                each.mypy_path = (*each.mypy_path, str(folder))
        # The daemon recomputes its own when files come and go.
        if str(folder) not in options.mypy_path:
            options.mypy_path.append(str(folder))


def running() -> Run:
    """Find what the run that is about to begin has created so far."""
    sources: list[BuildSource] = []
    search_paths: list[SearchPaths] = []
    caches: list[FileSystemCache] = []
    for each in gc.get_objects():
        match each:
            case BuildSource():
                sources.append(each)
            case SearchPaths():
                search_paths.append(each)
            case FileSystemCache():
                caches.append(each)
            case _:
                pass
    kept = _kept_by_daemon()
    given = [each for each in sources if id(each) not in kept]
    files = _files(each.path for each in given)
    return Run(files, frozenset(each.module for each in given), tuple(search_paths), tuple(caches))


def _kept_by_daemon() -> frozenset[int]:
    """Return the identities of the sources that the daemon keeps from its last run; none in other processes.

    They are all modules that it read, also those that it followed imports to, which do not look different from those
    that it was given. What it is given now, it has made anew.
    """
    if "mypy.dmypy_server" not in sys.modules:
        return frozenset()
    from mypy.dmypy_server import Server  # noqa: PLC0415 - only the daemon has it

    servers = [each for each in gc.get_objects() if isinstance(each, Server)]
    # It has none before its first run has ended.
    return frozenset(id(source) for server in servers for source in getattr(server, "previous_sources", ()))


def _files(paths: Iterable[str | None]) -> tuple[Path, ...]:
    found = {Path(path).absolute() for path in paths if path is not None}
    return tuple(sorted(path for path in found if not path.is_relative_to(_OWN)))


def _holds(folder: Path, module: str) -> bool:
    return (folder / f"{module}.pyi").is_file() or (folder / module).is_dir()
