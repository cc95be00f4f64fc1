"""The proposal of `upnext init`: new file contents, and what has to be done by hand."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from upnext.errors import ConfigError


@dataclass(slots=True)
class File:
    """A file as it is, and as it is proposed to be; line ends and a byte order mark stay what they are.

    Attributes:
        path: Where it is.
        before: Its bytes now; None if there is none.
        text: What is proposed, with Unix line ends.
    """

    path: Path
    before: bytes | None
    text: str

    @property
    def original(self) -> str:
        """The text that it has now, with Unix line ends; empty if there is no file."""
        return (self.before or b"").decode("utf-8-sig").replace("\r\n", "\n")

    @property
    def after(self) -> bytes:
        """The bytes that are proposed."""
        before = self.before or b""
        text = self.text.replace("\n", "\r\n") if b"\r\n" in before else self.text
        return text.encode("utf-8-sig" if before.startswith(b"\xef\xbb\xbf") else "utf-8")


@dataclass(slots=True)
class Proposal:
    """What is proposed for one project.

    Attributes:
        by_hand: What cannot be done here, a sentence each.
        files: Every file that was looked at, by its path.
    """

    by_hand: list[str] = field(default_factory=list[str])
    files: dict[Path, File] = field(default_factory=dict[Path, File])

    def file(self, path: Path) -> File:
        """Return a file as it is proposed so far.

        Raises:
            ConfigError: If it cannot be read.
        """
        if path not in self.files:
            before = _read(path)
            try:
                self.files[path] = File(path, before, "")
                self.files[path].text = self.files[path].original
            except UnicodeDecodeError:
                del self.files[path]
                raise ConfigError(f"{path} is not UTF-8.") from None
        return self.files[path]

    def changed(self) -> list[File]:
        """Return the files whose text would change."""
        return [file for _, file in sorted(self.files.items()) if file.text != file.original]

    def diff(self, folder: Path) -> Iterator[str]:
        """Return the lines of a unified diff, with paths as they are seen from a folder."""
        for file in self.changed():
            name = Path(os.path.relpath(file.path, folder)).as_posix()
            yield from difflib.unified_diff(
                file.original.splitlines(),
                file.text.splitlines(),
                "/dev/null" if file.before is None else f"a/{name}",
                f"b/{name}",
                lineterm="",
            )


def write(files: Sequence[File]) -> None:
    """Write what is proposed, all of it or nothing: each beside its place, then renamed.

    Raises:
        ConfigError: If a file is not as it was when the proposal was made, or cannot be written.
    """
    for file in files:
        if _read(file.path) != file.before:
            raise ConfigError(f"{file.path} has changed meanwhile; nothing was written.")
    prepared: list[tuple[Path, Path]] = []
    try:
        for file in files:
            target = file.path.resolve()
            target.parent.mkdir(parents=True, exist_ok=True)
            prepared.append((_prepare(target, file.after), target))
        for temporary, target in prepared:
            temporary.replace(target)
    except OSError as error:
        raise ConfigError(f"{error.filename} cannot be written: {error.strerror}.") from error
    finally:
        for temporary, _ in prepared:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def _prepare(target: Path, content: bytes) -> Path:
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as stream:
        stream.write(content)
    temporary = Path(stream.name)
    temporary.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask())
    return temporary


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
