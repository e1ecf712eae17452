"""Who else could change what decides who may do what."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

import pytest

from vncproxy.config.ownership import foreign_hands, foreign_owner, trusted_uids

OWN = os.geteuid()
OURS = frozenset({0, OWN})
NOBODY_S = frozenset({OWN + 1})
OWN_GID = pwd.getpwuid(OWN).pw_gid


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file as it should be, in such a folder."""
    path = tmp_path / "etc" / "vncproxy.toml"
    path.parent.mkdir(mode=0o755)
    path.write_text("")
    path.chmod(0o644)
    return path


def test_what_only_its_owner_may_write_is_well(file: Path) -> None:
    """Others may read it."""
    assert foreign_hands(file, OURS) is None
    assert foreign_owner(file, OURS) is None


@pytest.mark.parametrize("mode", [0o666, 0o646, 0o602])
def test_what_others_may_write_is_not(file: Path, mode: int) -> None:
    """The mode is told."""
    file.chmod(mode)
    assert foreign_hands(file, OURS) == f"mode {mode:04o}"


def test_what_belongs_to_somebody_else_is_not(file: Path) -> None:
    """Whatever its mode is: the owner may change it."""
    said = f"a file of {pwd.getpwuid(OWN).pw_name} (uid {OWN})"
    assert foreign_hands(file, NOBODY_S) == said
    assert foreign_owner(file, NOBODY_S) == said


def test_the_folder_counts_too(file: Path) -> None:
    """Whoever may write there can put another file in its place."""
    folder = file.parent
    folder.chmod(0o777)
    assert foreign_hands(file, OURS) == f"a file in {folder}, which has mode 0777"
    folder.chmod(0o1777)
    assert foreign_hands(file, OURS) is None, "as in /tmp, where only the owner may take it away"


def test_a_link_is_looked_at_with_the_file_behind_it(file: Path, tmp_path: Path) -> None:
    """As Kubernetes shows a secret: a link in a folder that all may write to, but sticky."""
    mount = tmp_path / "mount"
    mount.mkdir()
    mount.chmod(0o1777)
    (mount / "..data").symlink_to(file.parent)
    link = mount / file.name
    link.symlink_to(f"..data/{file.name}")
    assert foreign_hands(link, OURS) is None
    mount.chmod(0o777)
    assert foreign_hands(link, OURS) == f"a file in {mount}, which has mode 0777"
    mount.chmod(0o755)
    file.chmod(0o666)
    assert foreign_hands(link, OURS) == "mode 0666"


def test_a_pipe_lies_in_no_folder() -> None:
    """As the shell makes one for `--config <(...)`."""
    reading, writing = os.pipe()
    assert foreign_hands(Path(f"/dev/fd/{reading}"), OURS) is None
    assert foreign_hands(Path(f"/dev/fd/{reading}"), NOBODY_S) is not None
    os.close(reading)
    os.close(writing)


class Accounts:
    """The machine's accounts and groups, with some more in the group of the files' owner."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """None more yet."""
        self.members: list[str] = []
        self.first: list[tuple[str, int]] = []
        own, group, users = pwd.getpwuid(OWN), grp.getgrgid(OWN_GID), pwd.getpwall()
        others = [one for one in users if one.pw_gid != OWN_GID or one.pw_uid == OWN]

        def getgrgid(gid: int) -> grp.struct_group:
            return type(group)((own.pw_name, "x", gid, self.members))

        def getpwall() -> list[pwd.struct_passwd]:
            more = [type(own)((n, "x", uid, OWN_GID, "", "/", "/bin/sh")) for n, uid in self.first]
            return others + more

        monkeypatch.setattr(grp, "getgrgid", getgrgid)
        monkeypatch.setattr(pwd, "getpwall", getpwall)


@pytest.fixture
def accounts(monkeypatch: pytest.MonkeyPatch) -> Accounts:
    """Accounts to be changed."""
    return Accounts(monkeypatch)


def test_a_group_of_its_owner_alone_may_write(file: Path, accounts: Accounts) -> None:
    """As where each account has a group of its own and files are made with mode 0664."""
    file.chmod(0o664)
    file.parent.chmod(0o775)
    os.chown(file, -1, OWN_GID)
    os.chown(file.parent, -1, OWN_GID)
    assert foreign_hands(file, OURS) is None
    accounts.members = [pwd.getpwuid(OWN).pw_name]
    assert foreign_hands(file, OURS) is None, "the owner may be named, too"


@pytest.mark.parametrize("how", ["member", "first group"])
def test_others_in_its_owner_s_group_may_not_write(
    file: Path, accounts: Accounts, how: str
) -> None:
    """Root's group as well: operators are put into it, or have it as their first."""
    group = pwd.getpwuid(OWN).pw_name
    if how == "member":
        accounts.members = ["carl-of-elsewhere"]
    else:
        accounts.first = [("carl-of-elsewhere", OWN + 4711)]
    file.chmod(0o664)
    os.chown(file, -1, OWN_GID)
    said = f"with carl-of-elsewhere in the group {group}"
    assert foreign_hands(file, OURS) == f"mode 0664, {said}"
    file.chmod(0o644)
    file.parent.chmod(0o775)
    os.chown(file.parent, -1, OWN_GID)
    assert foreign_hands(file, OURS) == f"a file in {file.parent}, which has mode 0775, {said}"
    assert foreign_hands(file, OURS | {OWN + 4711}) is None or how == "member"
    file.parent.chmod(0o755)
    assert foreign_hands(file, OURS) is None
    accounts.members = [f"operator-{n}" for n in range(9)]
    file.chmod(0o664)
    assert "and " in str(foreign_hands(file, OURS))
    assert len(str(foreign_hands(file, OURS))) < 120


@pytest.mark.skipif(OWN != 0, reason="only root gives files away")
def test_a_group_of_many_may_not_write(file: Path) -> None:
    """Also where root owns the file: the group decides who is in it."""
    os.chown(file, 0, 33)
    file.chmod(0o660)
    assert foreign_hands(file, OURS) == "mode 0660"
    file.chmod(0o640)
    os.chown(file.parent, 0, 33)
    file.parent.chmod(0o750)
    assert foreign_hands(file, OURS) is None, "as /etc/vncproxy of root:vncproxy"
    os.chown(file, 33, 33)
    file.chmod(0o600)
    assert "(uid 33)" in str(foreign_hands(file, OURS))


def test_whose_files_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Root's and one's own; for root, those of sudo's caller and of the daemon, too."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert trusted_uids({"SUDO_UID": "7"}, tmp_path) == {0, 1000}
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert trusted_uids({}, None) == {0}
    assert trusted_uids({"SUDO_UID": "x"}, tmp_path / "none") == {0}
    assert trusted_uids({"SUDO_UID": "1001"}, tmp_path) == {0, 1001, tmp_path.stat().st_uid}
