"""From the first user to the last one: who starts the embedded server, who shares it, when it stops."""

from __future__ import annotations

import fcntl
import os
import signal
from pathlib import Path

from tests.embedded.users import Project, client_of, is_alive, kill, parent_of, server_pid
from tests.waiting import wait_until

BANNER = "Ready to accept connections"


def test_the_first_user_of_a_project_starts_a_real_valkey(project: Project) -> None:
    user = project.user()
    with client_of(user) as client:
        assert client.info("server")["valkey_version"].startswith("9.")
        assert client.config_get("appendonly", "appendfsync") == {"appendonly": "yes", "appendfsync": "everysec"}
        assert client.config_get("port") == {"port": "0"}


def test_processes_of_a_project_share_one_server(project: Project) -> None:
    first, second = project.user(), project.user()
    assert first.url == second.url
    with client_of(first) as one, client_of(second) as other:
        one.set("from", "first")
        assert other.get("from") == "first"
    assert project.log.count(BANNER) == 1


def test_a_process_in_a_folder_below_belongs_to_the_same_project(project: Project) -> None:
    below = project.root / "src" / "shop"
    below.mkdir(parents=True)
    assert project.user().url == project.user(folder=below).url
    assert not (below / ".upnext").exists()


def test_projects_have_servers_of_their_own(project: Project, tmp_path: Path) -> None:
    other = Project(tmp_path / "other")
    try:
        assert server_pid(project.user()) != server_pid(other.user())
    finally:
        other.close()


def test_the_server_stops_when_its_last_user_ends_and_no_sooner(project: Project) -> None:
    first, second = project.user(), project.user()
    pid = server_pid(first)
    assert server_pid(second) == pid
    first.leave()
    assert server_pid(second) == pid
    second.leave()
    project.wait_until_stopped()
    assert not is_alive(pid)
    assert not (project.folder / "valkey.sock").exists()
    assert "Valkey is now ready to exit" in project.log


def test_the_server_stops_when_all_its_users_are_killed(project: Project) -> None:
    users = [project.user(), project.user()]
    pid = server_pid(users[0])
    assert server_pid(users[1]) == pid
    for user in users:
        user.kill()
    project.wait_until_stopped()
    assert not is_alive(pid)


def test_twenty_users_at_once_end_up_with_one_server(project: Project) -> None:
    users = [project.user() for _ in range(20)]
    assert len({server_pid(user) for user in users}) == 1
    assert project.log.count(BANNER) == 1


def test_threads_of_a_process_that_ask_at_once_count_as_one_user(project: Project) -> None:
    user = project.user("threads")
    pid = server_pid(user)
    assert len(user.leave().splitlines()) == 1  # the warning, once
    project.wait_until_stopped()
    assert not is_alive(pid)
    assert project.log.count(BANNER) == 1


def test_users_that_come_and_go_always_find_a_server_with_the_data(project: Project) -> None:
    for count in range(1, 11):
        user = project.user()
        with client_of(user) as client:
            assert client.incr("visits") == count
        user.leave()  # the next one comes while the server stops


def test_a_user_that_comes_while_the_server_stops_waits_for_the_next_one(project: Project) -> None:
    first = project.user()
    old = server_pid(first)
    os.kill(old, signal.SIGSTOP)
    first.kill()
    second = project.user()
    wait_until(lambda: _waits_for_lock(second.process.pid) or not is_alive(old))
    os.kill(old, signal.SIGCONT)
    assert server_pid(second) != old
    assert not is_alive(old)


def test_a_forked_child_counts_as_a_user(project: Project) -> None:
    parent = project.user("fork")
    pid, child = server_pid(parent), parent.answer["forked"]
    other = project.user()
    assert server_pid(other) == pid
    parent.leave()
    other.leave()
    assert server_pid(project.user()) == pid
    kill(child)


def test_the_end_of_a_forked_child_does_not_end_its_parents_use(project: Project) -> None:
    parent = project.user("fork")
    pid = server_pid(parent)
    kill(parent.answer["forked"])
    other = project.user()
    assert server_pid(other) == pid
    other.leave()
    assert server_pid(parent) == pid


def test_a_daemon_that_closes_every_file_keeps_the_server(project: Project) -> None:
    daemon = project.user("daemon")
    pid = server_pid(daemon)
    other = project.user()
    assert server_pid(other) == pid
    other.leave()
    assert server_pid(daemon) == pid
    daemon.leave()
    project.wait_until_stopped()
    assert not is_alive(pid)


def test_who_waits_for_long_is_told_what_for(project: Project) -> None:
    user = project.user()
    assert user.url
    with (project.folder / "start.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        other = project.user("impatient")
        assert other.process.stderr is not None
        assert f"and holds '{project.folder}/start.lock'" in other.process.stderr.readline()
    assert other.url == user.url


def test_ctrl_c_in_a_users_terminal_does_not_reach_the_server(project: Project) -> None:
    user = project.user()
    pid = server_pid(user)
    os.killpg(user.process.pid, signal.SIGINT)
    os.killpg(user.process.pid, signal.SIGQUIT)
    assert user.process.wait(30) == -signal.SIGQUIT
    project.wait_until_stopped()
    assert not is_alive(pid)
    assert "Valkey is now ready to exit" in project.log


def test_the_server_does_not_hold_the_pipes_of_the_user_that_started_it(project: Project) -> None:
    first = project.user()
    pid = server_pid(first)
    second = project.user()
    assert second.url == first.url
    assert "development only" in first.leave()  # reads both pipes to their end, while the server goes on
    assert is_alive(pid)
    assert os.getsid(pid) == os.getsid(parent_of(pid)) != first.process.pid


def _waits_for_lock(pid: int) -> bool:
    """Tell whether a process is blocked by a lock; where nobody can tell, say no."""
    locks = Path("/proc/locks")
    return locks.exists() and any("->" in line and f" {pid} " in line for line in locks.read_text().splitlines())
