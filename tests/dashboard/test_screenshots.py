"""The pictures of the dashboard in the documentation: taken of a shop that runs, in a real browser."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from docs import screenshots

LIGHT, DARK = (0xFF, 0xFF, 0xFF), (0x1A, 0x1F, 0x28)  # the card colour of each scheme, which the header has


def test_the_pictures_of_the_dashboard_are_taken_in_chromium(tmp_path: Path) -> None:
    if screenshots.chromium() is None:
        pytest.skip("Chromium is not installed: the dashboard's screenshots are not taken")
    assert screenshots.take(tmp_path, readings=2)
    for name, shot in screenshots.SHOTS.items():
        taken, kept = (read(folder / name) for folder in (tmp_path, screenshots.PICTURES))
        assert taken[:2] == kept[:2] == ((shot.width, shot.height), DARK if shot.dark else LIGHT), name
        # A page without its style sheet, or with nothing on it, takes a tenth of that.
        assert taken[2] > 20_000, name
        assert f"pictures/{name}" in (screenshots.ROOT / "docs" / "dashboard.md").read_text(encoding="utf-8")


def read(path: Path) -> tuple[tuple[int, int], tuple[int, ...], int]:
    """Return the size of a picture, the colour of its first pixel, and its bytes."""
    data, at, pixels = path.read_bytes(), 8, b""
    while at < len(data):
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        if kind == b"IDAT":
            pixels += data[at + 8 : at + 8 + length]
        at += length + 12
    size = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    return size, tuple(zlib.decompress(pixels)[1:4]), len(data)
