"""Packages of npm for tests; where there is no npm, or no registry, they are skipped, and say so."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest


def unpack(folder: Path, package: str) -> Path:
    """Unpack one package, named with its release, without what it depends on; return where it is.

    Nothing that a package brings is run here.
    """
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    command = [npm, "pack", "--silent", "--fetch-retries=0", "--fetch-timeout=30000", package]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, cwd=folder)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm has not fetched {package} in two minutes")
    if done.returncode:
        pytest.skip(f"npm cannot fetch {package}: {done.stderr.strip()[-200:]}")
    with tarfile.open(folder / done.stdout.split()[-1]) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"
