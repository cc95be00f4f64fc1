"""`upnext gen --against REVISION`: git is asked, and nothing that the repository's own settings name is run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.projects import Shell

EVENTS = """
    import upnext

    worker = upnext.Worker("shop")


    @worker.event("order.placed").on
    async def mail({parameters}) -> None: ...
"""
HOSTILE = {
    "upload-pack": {"remote.origin.url": "file:///", "remote.origin.uploadpack": "{run}; #"},
    "ssh": {"remote.origin.url": "ssh://host/x", "core.sshCommand": "{run}; #"},
    "ext": {"remote.origin.url": "ext::{script}", "protocol.ext.allow": "always", "protocol.allow": "always"},
    "helper": {"remote.origin.url": "x", "remote.origin.vcs": "ext", "protocol.ext.allow": "always"},
    "monitor": {"remote.origin.url": "file:///", "core.fsmonitor": "{script}"},
    "hooks": {"remote.origin.url": "file:///", "core.hooksPath": "{folder}"},
    "proxy": {"remote.origin.url": "git://host/x", "core.gitProxy": "{script}"},
    "filters": {"filter.x.smudge": "{script}", "diff.x.textconv": "{script}", "diff.external": "{script}"},
}


def git(root: Path, *arguments: str) -> None:
    """Run git as somebody."""
    identity = ("-c", "user.name=ada", "-c", "user.email=ada@example.org")
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, cwd=root)


def committed(shell: Shell, folder: str = "") -> None:
    """Commit a project with its lock, and then one whose field has another type, which is not generated yet."""
    source = f"{folder}shop.py"
    shell.write({source: EVENTS.format(parameters="order_id: int"), f"{folder}pyproject.toml": ""})
    shell.run("gen")
    git(shell.root, "init", "--quiet")
    git(shell.root, "add", ".")
    git(shell.root, "commit", "--quiet", "-m", "with a lock")
    shell.write({source: EVENTS.format(parameters="order_id: str")})


def objects(root: Path, kind: str) -> list[Path]:
    """Return the files of all objects of a kind in the last commit."""
    listed = subprocess.run(["git", "ls-tree", "-rt", "HEAD"], check=True, capture_output=True, cwd=root, text=True)
    names = [line.split()[2] for line in listed.stdout.splitlines() if line.split()[1] == kind]
    if kind == "tree":
        top = subprocess.run(["git", "rev-parse", "HEAD^{tree}"], check=True, capture_output=True, cwd=root, text=True)
        names.append(top.stdout.strip())
    return [root / ".git" / "objects" / name[:2] / name[2:] for name in names]


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_partial_clone_with_settings_that_name_commands_runs_none_of_them(
    empty: Shell, tmp_path: Path, kind: str
) -> None:
    """The lock's object is missing, which makes git fetch it otherwise; it is exit 2, and not "no lock"."""
    committed(empty)
    folder = tmp_path / "commands"
    folder.mkdir()
    script, proof = folder / "reference-transaction", tmp_path / "PROOF"
    script.write_text(f"#!/bin/sh\necho ran > {proof}\n")
    script.chmod(0o755)
    (empty.root / ".git" / "info" / "attributes").write_text("upnext.lock filter=x diff=x\n")
    settings = {
        "extensions.partialClone": "origin",
        "core.repositoryFormatVersion": "1",
        "remote.origin.promisor": "true",
    }
    for name, value in {**settings, **HOSTILE[kind]}.items():
        git(empty.root, "config", name, value.format(run=f"echo ran > {proof}", script=script, folder=folder))
    for path in objects(empty.root, "blob"):
        path.unlink()
    done = empty.run("gen", "--check", "--against", "HEAD")
    assert not proof.exists()
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("upnext: --against HEAD: git cannot read that revision: ")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("kind", ["blob", "tree"])
@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_a_lock_that_cannot_be_read_is_no_revision_without_a_lock(empty: Shell, kind: str, damage: str) -> None:
    """The check that should stop a breaking change does not pass."""
    committed(empty)
    for path in objects(empty.root, kind):
        path.chmod(0o644)
        path.unlink() if damage == "missing" else path.write_bytes(b"damaged")
    done = empty.run("gen", "--check", "--against", "HEAD")
    assert (done.code, done.out) == (2, "")
    assert "git cannot read that revision: " in done.err


def test_a_partial_clone_without_the_locks_object_is_exit_2_until_it_is_fetched(empty: Shell, tmp_path: Path) -> None:
    """Nothing is fetched for the user, whether the server is there or not."""
    committed(empty)
    git(empty.root, "config", "uploadpack.allowFilter", "true")
    shutil.copytree(empty.root / ".git", tmp_path / "upstream")
    upstream = f"file://{tmp_path}/upstream"
    git(tmp_path, "clone", "--quiet", "--filter=blob:none", "--no-checkout", upstream, "clone")
    shutil.rmtree(empty.root / ".git")
    (tmp_path / "clone" / ".git").rename(empty.root / ".git")
    done = empty.run("gen", "--check", "--against", "HEAD")
    assert (done.code, done.out) == (2, "")
    git(empty.root, "show", "HEAD:upnext.lock")
    done = empty.run("gen", "--check", "--against", "HEAD")
    assert (done.code, "error[UPN415]" in done.out) == (1, True)


def test_another_users_repository_is_named_as_what_it_is(empty: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git refuses it, and its reason is told rather than that the revision does not exist."""
    committed(empty)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    done = empty.run("gen", "--check", "--against", "HEAD")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "upnext: --against HEAD: git does not trust this repository, since its folder belongs to another user. If you "
        f"do, run `git config --global --add safe.directory {empty.root}`.\n"
    )


@pytest.mark.parametrize(("revision", "shown"), [("^HEAD", "^HEAD"), ("a\nb", "'a\\nb'")])
def test_what_is_no_single_revision_is_refused_in_one_line(empty: Shell, revision: str, shown: str) -> None:
    committed(empty)
    done = empty.run("gen", "--check", "--against", revision)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith(f"upnext: --against {shown} is neither a file nor a revision of git here: ")
