"""What the embedded server stands: killed processes, damaged files, folders that vanish, places where it cannot run."""

from __future__ import annotations

import os
import re
import shutil
import sys
from importlib import metadata
from pathlib import Path

import pytest

import upnext
from tests.embedded.users import Project, client_of, is_alive, kill, parent_of, server_pid
from tests.waiting import wait_until
from upnext import embedded
from upnext.errors import ConfigError


def test_data_survive_the_end_of_the_last_user(project: Project) -> None:
    first = project.user()
    with client_of(first) as client:
        client.set("order", "123")
    first.leave()
    project.wait_until_stopped()
    with client_of(project.user()) as client:
        assert client.get("order") == "123"


def test_data_survive_when_everything_is_killed(project: Project) -> None:
    user = project.user()
    with client_of(user) as client:
        client.set("order", "123")
    server = server_pid(user)
    for pid in (parent_of(server), user.process.pid, server):
        if is_alive(pid):
            kill(pid)
    with client_of(project.user()) as client:
        assert client.get("order") == "123"


def test_a_socket_and_locks_that_a_power_cut_left_behind_confuse_nobody(project: Project) -> None:
    first = project.user()
    keeper, server = parent_of(server_pid(first)), server_pid(first)
    left = {path.name for path in project.folder.iterdir()}
    kill(keeper)
    first.kill()
    wait_until(lambda: not is_alive(server))
    for name in left:
        (project.folder / name).touch()
    assert server_pid(project.user()) != server


def test_data_that_a_power_cut_damaged_at_their_end_are_accepted(project: Project) -> None:
    first = project.user()
    with client_of(first) as client:
        client.set("order", "123")
        client.set("cut", "off")
    first.leave()
    project.wait_until_stopped()
    (data,) = (project.folder / "appendonlydir").glob("*.incr.aof")
    data.write_bytes(data.read_bytes()[:-5])
    with client_of(project.user()) as client:
        assert client.get("order") == "123"
        assert client.get("cut") is None


def test_a_server_that_crashes_is_started_again(project: Project) -> None:
    user = project.user()
    with client_of(user) as client:
        client.set("order", "123")
        wait_until(lambda: client.info("server")["uptime_in_seconds"] >= 2)
    server = server_pid(user)
    keeper = parent_of(server)
    kill(server)
    second = project.user()
    assert server_pid(second) != server
    assert parent_of(server_pid(second)) == keeper
    assert "The server was ended by signal 9.\n" in project.log
    with client_of(user) as client:
        assert client.get("order") == "123"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
def test_a_server_whose_keeper_is_killed_stops_and_the_next_user_gets_another_at_the_same_url(project: Project) -> None:
    first = project.user()
    with client_of(first) as client:
        client.set("order", "123")
    server = server_pid(first)
    kill(parent_of(server))
    second = project.user()
    assert server_pid(second) != server
    assert not is_alive(server)
    assert second.url == first.url
    with client_of(first) as client:
        assert client.get("order") == "123"


def test_a_folder_that_was_deleted_is_made_again_and_its_old_server_disturbs_nobody(project: Project) -> None:
    first = project.user()
    old = server_pid(first)
    shutil.rmtree(project.root / ".upnext")
    second = project.user()
    new = server_pid(second)
    assert new != old
    first.leave()
    wait_until(lambda: not is_alive(old))
    assert server_pid(project.user()) == new


@pytest.mark.parametrize("temporary", ["short", "longer" * 15])
def test_a_path_too_long_for_a_socket_is_reached_through_a_short_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temporary: str
) -> None:
    folder_of_links = Path("/tmp") if temporary == "short" else tmp_path / temporary
    folder_of_links.mkdir(exist_ok=True)
    monkeypatch.setenv("TMPDIR", str(folder_of_links))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ("long" * 30) / ("longer" * 30)))
    project = Project(tmp_path / "project")
    try:
        first, second = project.user(), project.user()
        assert server_pid(first) == server_pid(second)
        assert len(first.url) < 110
        link = Path(first.url.removeprefix("unix://")).parent
        assert link.readlink() == project.folder
        assert project.folder.stat().st_mode & 0o777 == 0o700
    finally:
        project.close()
    wait_until(lambda: not link.is_symlink(), what="the end of the link")


def test_a_path_with_characters_that_mean_something_in_a_url_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "50% of #1, ü?"))
    project = Project(tmp_path / "50% of #1, ü?")
    try:
        assert server_pid(project.user()) == server_pid(project.user())
    finally:
        project.close()


def test_a_locale_that_the_machine_does_not_have_is_no_obstacle(project: Project) -> None:
    assert server_pid(project.user(env={"LC_ALL": "xx_XX.UTF-8"}))


def test_the_folder_is_private_and_ignored_by_git(project: Project) -> None:
    assert project.user().url
    assert (project.root / ".upnext" / ".gitignore").read_text(encoding="utf-8") == "*\n"
    assert project.folder.stat().st_mode & 0o777 == 0o700


def test_a_process_hears_once_that_the_server_is_for_development(project: Project) -> None:
    user = project.user()
    assert user.url
    said = user.leave().splitlines()
    assert said == [
        (
            f"Using the embedded server, which is for development only. Its data are in '{project.folder}'. "
            "Set UPNEXT_REDIS_URL to use a Redis or Valkey server of your own."
        )
    ]


def test_a_server_that_cannot_read_its_data_is_an_error_with_its_last_words(project: Project) -> None:
    first = project.user()
    assert first.url
    first.leave()
    project.wait_until_stopped()
    manifest = project.folder / "appendonlydir" / "appendonly.aof.manifest"
    good = manifest.read_bytes()
    manifest.write_text("nonsense\n", encoding="utf-8")
    error = project.user().answer["error"]
    assert error.startswith("The embedded server stopped while it started. Its last words: ")
    assert "Invalid AOF manifest file format" in error
    assert error.endswith(
        f"Read '{project.folder}/valkey.log', or set UPNEXT_REDIS_URL to the URL of a Redis or Valkey server."
    )
    manifest.write_bytes(good)
    assert project.user().url


def test_a_server_that_can_write_nothing_is_an_error_that_quotes_no_earlier_one(project: Project) -> None:
    first = project.user()
    assert first.url
    first.leave()
    project.wait_until_stopped()
    error = project.user("cannot write").answer["error"]
    assert error.startswith("The embedded server stopped while it started. It could not say why: the disk may be full.")
    assert project.user().url


def test_a_folder_that_cannot_be_recorded_is_named_and_leaves_nothing(project: Project) -> None:
    error = project.user("cannot write").answer["error"]
    assert re.fullmatch(
        r"The embedded server cannot be used: \[Errno \d+\] [\w ]+: '(.*)'\. Correct that, or set UPNEXT_REDIS_URL .*",
        error,
    )
    folder = project.folder
    assert str(folder) in error
    assert not folder.exists()
    assert project.user().url


def test_processes_with_another_state_directory_are_told_and_take_no_data_away(
    project: Project, tmp_path: Path
) -> None:
    said = []
    for state, before in (("one", None), ("two", None), ("one", "one"), ("two", "two")):
        user = project.user(env={"XDG_STATE_HOME": str(tmp_path / state)})
        with client_of(user) as client:
            assert client.get("of") == before
            client.set("of", state)
        said.append(user.leave())
        project.wait_until_stopped()
    assert ["neither sees the other's events" in each for each in said] == [False, True, True, True]
    assert f"This process has a server of its own, with its data in '{tmp_path}/two/upnext/servers'" in said[1]


def test_a_folder_that_was_deleted_is_an_error_that_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UPNEXT_REDIS_URL", raising=False)
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(ConfigError, match="The current folder does not exist any more"):
        upnext.Worker("shop").event("order.placed").send_sync(order_id="1")


def test_a_state_folder_that_cannot_be_used_is_an_error_that_names_the_way_out(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "upnext").symlink_to(tmp_path)
    error = project.user().answer["error"]
    assert error.startswith(f"'{tmp_path}/state/upnext' must be a folder of user ")
    assert error.endswith("Remove it, correct its owner and mode, or set UPNEXT_REDIS_URL.")


def test_without_a_home_directory_the_data_are_in_a_private_temporary_folder(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/dev/null/nowhere")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert project.user().url
    assert project.folder.is_relative_to(tmp_path / f"upnext-state-{os.geteuid()}")


def test_a_missing_wheel_is_an_error_that_names_the_extra(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def files(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", files)
    with pytest.raises(ConfigError) as caught:
        embedded.server_url(project.root)
    assert str(caught.value) == (
        "No Redis URL is configured and the embedded server is not installed. "
        "Install upnext[embedded], or set UPNEXT_REDIS_URL to the URL of a Redis or Valkey server."
    )


def test_windows_is_an_error_that_names_the_way_out(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(ConfigError) as caught:
        embedded.server_url(project.root)
    assert str(caught.value) == (
        "There is no embedded server for Windows. Set UPNEXT_REDIS_URL to the URL of a Redis or Valkey server."
    )
