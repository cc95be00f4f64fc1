"""Packages of npm for tests; where there is no npm, or no registry, they are skipped, and say so."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_QUICK = ("--no-save", "--no-audit", "--no-fund", "--fetch-retries=0", "--fetch-timeout=30000")


def install(folder: Path, *packages: str) -> Path:
    """Install packages into a folder, each with its release, and return where they are."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    command = [npm, "install", *_QUICK, "--prefix", str(folder), *packages]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm has not installed {', '.join(packages)} in two minutes")
    if done.returncode:
        pytest.skip(f"npm cannot install {', '.join(packages)}: {done.stderr.strip()[-200:]}")
    return folder / "node_modules"
