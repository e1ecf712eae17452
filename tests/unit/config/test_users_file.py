"""The users' file: what is kept, who may read it, that it is never half written; and names."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from vncproxy.config.users_file import (
    User,
    change_users,
    digest_of,
    is_user_name,
    new_user,
    read_users,
)
from vncproxy.errors import ConfigError, LocalError


def add(path: Path, name: str) -> str:
    """Write a user; gives the token."""
    user, token = new_user(name, ())
    change_users(path, lambda users: (*users, user))
    return token


def test_a_token_is_an_id_and_256_bits() -> None:
    """The id finds the user; the rest can't be guessed, and only a digest of it is kept."""
    user, token = new_user("ann", ("ops",))
    token_id, _, rest = token.partition(".")
    assert token_id == user.id
    assert len(rest) >= 43
    assert rest not in repr(user)
    assert user.sha256 == digest_of(token)
    assert new_user("ann", ())[1] != token


@pytest.mark.parametrize("name", ["", "@ops", "a b", "a" * 64, "-a", "a\n", "é", "a/b"])
def test_impossible_names(name: str) -> None:
    """Neither users nor groups may be called so."""
    with pytest.raises(LocalError, match="can't be a name"):
        new_user(name, ())
    with pytest.raises(LocalError, match="can't be a name"):
        new_user("ann", (name,))


def test_written_and_read(tmp_path: Path) -> None:
    """What was added is there, for the file's owner alone; no file is no users."""
    path = tmp_path / "users.json"
    assert read_users(path) == ()
    token = add(path, "ann")
    add(path, "bob")
    assert [user.name for user in read_users(path)] == ["ann", "bob"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert token not in path.read_text()
    assert [one.name for one in tmp_path.iterdir()] == ["users.json"]


def test_mode_and_link_are_kept(tmp_path: Path) -> None:
    """A group that may read it still may, and what a link leads to is replaced."""
    path, link = tmp_path / "users.json", tmp_path / "link"
    add(path, "ann")
    path.chmod(0o640)
    link.symlink_to(path)
    add(link, "bob")
    assert link.is_symlink()
    assert len(read_users(path)) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604])
def test_others_may_neither_read_nor_write(tmp_path: Path, mode: int) -> None:
    """A file that others could have changed names no users."""
    path = tmp_path / "users.json"
    add(path, "ann")
    path.chmod(mode)
    with pytest.raises(ConfigError, match="mode"):
        read_users(path)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"users": 1}',
        '{"users": [{"name": "ann"}]}',
        '{"users": [{"name": "a b", "id": "1", "sha256": "%s"}]}' % ("0" * 64),
        '{"users": [{"name": "ann", "id": "1", "sha256": "hunter2"}]}',
        "[" * 5000,
    ],
)
def test_other_files(tmp_path: Path, content: str) -> None:
    """Reported without a word of what stands there."""
    path = tmp_path / "users.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError) as error:
        read_users(path)
    assert "hunter2" not in str(error.value)


def test_names_and_ids_are_unique(tmp_path: Path) -> None:
    """Two of a name would make it a matter of luck who is meant."""
    path = tmp_path / "users.json"
    user = User(name="ann", id="1", sha256="0" * 64)
    for other in (
        User(name="ann", id="2", sha256="0" * 64),
        User(name="b", id="1", sha256="0" * 64),
    ):
        change_users(path, lambda _, other=other: (user, other))  # type: ignore[misc]
        with pytest.raises(ConfigError, match="twice"):
            read_users(path)
        path.unlink()


def test_changes_at_once_lose_nobody(tmp_path: Path) -> None:
    """Each waits for the one before."""
    path = tmp_path / "users.json"
    threads = [threading.Thread(target=add, args=(path, f"u{n}")) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {user.name for user in read_users(path)} == {f"u{n}" for n in range(8)}


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Reported with its reason; nothing is left behind."""
    with pytest.raises(LocalError, match="can't be written"):
        add(tmp_path / "nowhere" / "users.json", "ann")
    path = tmp_path / "users.json"

    def refuse(users: tuple[User, ...]) -> tuple[User, ...]:
        raise LocalError("no")

    with pytest.raises(LocalError, match="no"):
        change_users(path, refuse)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give files away")
def test_the_owner_is_kept(tmp_path: Path) -> None:
    """Root adds a user, and the daemon can still read the file."""
    path = tmp_path / "users.json"
    add(path, "ann")
    os.chown(path, 12345, 23456)
    add(path, "bob")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give files away")
@pytest.mark.parametrize(("owner", "mode"), [(0, 0o640), (12345, 0o600)])
def test_a_new_file_can_be_read_by_the_daemon(tmp_path: Path, owner: int, mode: int) -> None:
    """By the group of /etc/vncproxy, or by the owner of the state directory."""
    os.chown(tmp_path, owner, 23456)
    path = tmp_path / "users.json"
    add(path, "ann")
    found = path.stat()
    assert (found.st_uid, found.st_gid) == (owner, 23456)
    assert stat.S_IMODE(found.st_mode) == mode


@pytest.mark.parametrize("text", ["ann", "ann@example.com", "Ann Example", "é", "李", "a" * 255])
def test_names(text: str) -> None:
    """What a directory may call people."""
    assert is_user_name(text)
    for other in (f"{text}\n", f"@{text}", f" {text}", f"{text} ", f"{text},root", text * 256):
        assert not is_user_name(other)


ODD = (
    "\t\v\x1f\x7f\x85\xa0\xad\u034f\u1680\u180e\u2000\u200b\u200d\u202e\u2028\u2060\u2800\u3000\u3164"
    "\udc80\ufe0f\ufeff\uffa0\U000e0041\U000e0100"
)


@pytest.mark.parametrize("odd", ODD, ids=[f"{ord(odd):x}" for odd in ODD])
def test_what_cannot_be_seen(odd: str) -> None:
    """White space but a space, control and invisible characters, wherever they stand."""
    for text in (odd, f"ann{odd}", f"{odd}ann", f"an{odd}n"):
        assert not is_user_name(text)
