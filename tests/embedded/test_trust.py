"""What the embedded server loads, follows and shows: nothing that a checkout or another user put in its way."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.embedded.users import Project, client_of, server_pid
from tests.forked import run_forked
from tests.waiting import wait_until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
NOBODY = 65534
MODULE_LOAD = b"*3\r\n$6\r\nMODULE\r\n$4\r\nLOAD\r\n$9\r\n./evil.so\r\n"


def write_data(folder: Path, commands: bytes) -> None:
    """Write an append-only file as a server would find it."""
    data = folder / "appendonlydir"
    data.mkdir(parents=True, exist_ok=True)
    (data / "appendonly.aof.1.incr.aof").write_bytes(commands)
    (data / "appendonly.aof.manifest").write_text("file appendonly.aof.1.incr.aof seq 1 type i\n")


def shipped(project: Project) -> Path:
    """Put data into the place where earlier releases kept them, as a checkout can."""
    folder = project.root / ".upnext" / "server"
    write_data(folder, b"*3\r\n$3\r\nSET\r\n$5\r\nowned\r\n$3\r\nyes\r\n")
    return folder


def commands(*arguments: str, root: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line without a Redis URL."""
    environment = {name: value for name, value in os.environ.items() if name != "UPNEXT_REDIS_URL"}
    return subprocess.CompletedProcess(arguments, *run_forked(*arguments, env=environment, cwd=root))


def test_data_that_a_checkout_brings_along_are_never_loaded_and_one_line_says_so(project: Project) -> None:
    """Not even when the folder is private to the user, as an unpacked archive can make it."""
    shipped(project).chmod(0o700)
    user = project.user()
    with client_of(user) as client:
        assert client.get("owned") is None
    (aside,) = (project.root / ".upnext").glob("server.ignored-*")
    assert (aside / "appendonlydir" / "appendonly.aof.1.incr.aof").exists()
    said = user.leave()
    assert f"Ignoring the data in '{aside}'" in said
    assert str(project.folder) in said
    project.wait_until_stopped()
    assert "Ignoring" not in project.user().leave()


def test_data_that_are_pulled_into_a_used_project_are_not_loaded_either(project: Project) -> None:
    """Git overwrites ignored files without a word; the link is all that is there to overwrite."""
    first = project.user()
    with client_of(first) as client:
        client.set("order", "123")
    first.leave()
    project.wait_until_stopped()
    (project.root / ".upnext" / "server").unlink()
    shipped(project)
    with client_of(project.user()) as client:
        assert client.get("owned") is None


def test_no_append_only_file_can_load_native_code(project: Project) -> None:
    """The server has no such command, whoever wrote its data."""
    first = project.user()
    assert first.url
    first.leave()
    project.wait_until_stopped()
    shutil.rmtree(project.folder / "appendonlydir")
    write_data(project.folder, MODULE_LOAD)
    assert "unknown command 'MODULE'" in project.user().answer["error"]


@pytest.mark.parametrize("kind", ["folder elsewhere", "another project's", "nothing", "outside through dots"])
def test_a_link_that_a_checkout_brings_along_is_not_followed(project: Project, tmp_path: Path, kind: str) -> None:
    """It is believed only where it names this project's own folder."""
    other = Project(tmp_path / "other")
    try:
        with client_of(other.user()) as client:
            client.set("secret", "of the other project")
        write_data(tmp_path / "elsewhere", b"*3\r\n$3\r\nSET\r\n$5\r\nowned\r\n$3\r\nyes\r\n")
        (tmp_path / "elsewhere").chmod(0o700)
        target = {
            "folder elsewhere": tmp_path / "elsewhere",
            "another project's": other.folder,
            "nothing": other.folder.parent / "missing",
            "outside through dots": Path(f"{other.folder.parent}/../../../elsewhere"),
        }[kind]
        (project.root / ".upnext").mkdir()
        (project.root / ".upnext" / "server").symlink_to(target)
        with client_of(project.user()) as client:
            assert client.keys("*") == []
    finally:
        other.close()


@pytest.mark.parametrize("link", [".upnext", ".upnext/.gitignore"])
def test_nothing_is_written_through_a_link_in_the_project(project: Project, tmp_path: Path, link: str) -> None:
    """Neither the folder nor its .gitignore."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (project.root / link).parent.mkdir(exist_ok=True)
    (project.root / link).symlink_to(precious if link == ".upnext" else precious / "profile")
    user = project.user()
    server = psutil.Process(server_pid(user))
    assert list(precious.iterdir()) == []
    user.leave()
    server.wait(60)


@pytest.mark.parametrize("name", ["valkey.log", "users.lock", "keeper.lock", "start.lock", "data.lock"])
def test_no_link_in_the_servers_folder_is_followed(project: Project, tmp_path: Path, name: str) -> None:
    """A log or a lock that is a link is an error, and what it leads to stays as it was."""
    first = project.user()
    assert first.url
    first.leave()
    project.wait_until_stopped()
    target = tmp_path / "profile"
    target.write_text("export A=1\n")
    (project.folder / name).unlink()
    (project.folder / name).symlink_to(target)
    assert "error" in project.user().answer
    assert target.read_text() == "export A=1\n"
    (project.folder / name).unlink()


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701, 0o777])
def test_a_servers_folder_that_others_can_reach_is_made_anew(project: Project, mode: int) -> None:
    """What is in it may be theirs."""
    first = project.user()
    with client_of(first) as client:
        client.set("order", "123")
    first.leave()
    project.wait_until_stopped()
    folder = project.folder
    folder.chmod(mode)
    with client_of(project.user()) as client:
        assert client.get("order") is None
    assert project.folder.stat().st_mode & 0o777 == 0o700
    assert project.folder != folder


def test_what_the_server_writes_is_readable_by_nobody_else(project: Project) -> None:
    """Payloads are in its data."""
    with client_of(project.user()) as client:
        client.set("order", "123")
    for path in [project.folder, *project.folder.rglob("*")]:
        assert not path.lstat().st_mode & 0o077 or path.is_symlink(), path


@needs_root
def test_another_users_server_in_the_project_is_not_trusted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """He listens where the socket used to be; nothing is sent to him."""
    folder = project.root / ".upnext" / "server"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)  # the whole path may be longer than the kernel lets a socket's be
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("valkey.sock")
        listener.listen()
        for path in (project.root / ".upnext", folder):
            os.chown(path, NOBODY, NOBODY)
            path.chmod(0o777)
        user = project.user()
        assert not user.url.startswith(f"unix://{project.root}")
        pid = server_pid(user)
    user.leave()
    wait_until(lambda: not psutil.pid_exists(pid))


@needs_root
@pytest.mark.parametrize("part", ["upnext", "upnext/servers"])
def test_another_users_state_folder_is_refused_by_name(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """Where it cannot be put aside."""
    state = tmp_path / "state"
    (state / part).mkdir(parents=True, mode=0o700)
    os.chown(state / part, NOBODY, NOBODY)
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    if part == "upnext":
        assert f"'{state / part}' must be a folder of user 0" in project.user().answer["error"]
    else:
        assert project.user().url  # root may rename it
        assert (state / part).stat().st_uid == 0


def test_a_project_that_was_moved_keeps_its_data_and_a_copy_gets_its_own(project: Project, tmp_path: Path) -> None:
    """As when the data lay in the project."""
    first = project.user()
    with client_of(first) as client:
        client.set("order", "123")
    first.leave()
    project.wait_until_stopped()
    project.root.rename(tmp_path / "moved")
    moved, copy = Project(tmp_path / "moved"), tmp_path / "copy"
    try:
        with client_of(moved.user()) as client:
            assert client.get("order") == "123"
        shutil.copytree(moved.root, copy, symlinks=True)
        copied = Project(copy)
        try:
            with client_of(copied.user()) as client:
                assert client.get("order") is None
            with client_of(moved.user()) as client:
                assert client.get("order") == "123"
        finally:
            copied.close()
    finally:
        moved.close()


def test_a_project_reached_by_another_path_has_one_server(project: Project, tmp_path: Path) -> None:
    """A link to the project is the project."""
    (tmp_path / "alias").symlink_to(project.root)
    assert server_pid(project.user()) == server_pid(project.user(folder=tmp_path / "alias"))
