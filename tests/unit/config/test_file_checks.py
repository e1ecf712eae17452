"""Files that settings name, and who else could change them."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Mapping
from pathlib import Path

import pytest

from vncproxy.config.file_checks import (
    CREDENTIALS,
    check_files,
    foreign_hands,
    foreign_owner,
    trusted_uids,
)
from vncproxy.config.model import Access, Aliyun, Config, Instance, Listen, State, Throttle
from vncproxy.config.problems import Report
from vncproxy.errors import ConfigError

LISTEN = ("listen", 0)


def _check(
    config: Config, *paths: tuple[str | int, ...], environ: Mapping[str, str] | None = None
) -> list[str]:
    report = Report(None, {})
    for path in paths:
        report.remember(path, "'as written'")
    check_files(config, report, environ or {})
    try:
        report.raise_if_any()
    except ConfigError as error:
        return [f"{problem.key}: {problem.found}" for problem in error.problems]
    return []


def _secret(path: Path, text: str = "abc123\n", mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_no_files_no_mistakes() -> None:
    """The defaults name none."""
    assert _check(Config()) == []


def test_good_files(tmp_path: Path) -> None:
    """Public files may be readable by all, secret ones are the owner's, a token may be missing."""
    public, secret = _secret(tmp_path / "public", mode=0o644), _secret(tmp_path / "secret")
    config = Config(
        listen=(Listen(certificate=public, key=secret),),
        access=Access(token_file=tmp_path / "missing" / "token"),
        aliyun=Aliyun(ca_file=public),
        state=State(directory=tmp_path / "missing"),
        instance=(Instance(id="i-1", password_file=secret),),
    )
    assert _check(config) == []
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["public", "secret"]


def test_secrets_that_others_can_read(tmp_path: Path) -> None:
    """Each kind of secret file is refused with its mode."""
    loose = _secret(tmp_path / "loose", mode=0o644)
    key, token, password = (
        (*LISTEN, "key"),
        ("access", "token_file"),
        ("instance", 0, "password_file"),
    )
    config = Config(
        listen=(Listen(certificate=loose, key=loose),),
        access=Access(token_file=loose),
        instance=(Instance(id="i-1", password_file=loose),),
    )
    assert _check(config, key, token, password) == [
        "[[listen]] 1 key: 'as written': mode 0644",
        "[access] token_file: 'as written': mode 0644",
        "[[instance]] 1 password_file: 'as written': mode 0644",
    ]


@pytest.mark.parametrize(("name", "found"), [("none", "no such file"), (".", "not a regular file")])
def test_public_files_that_cannot_serve(tmp_path: Path, name: str, found: str) -> None:
    """A certificate or authority that is missing or a folder is reported."""
    path = tmp_path / name
    config = Config(listen=(Listen(certificate=path),), aliyun=Aliyun(ca_file=path))
    problems = _check(config, (*LISTEN, "certificate"), ("aliyun", "ca_file"))
    assert len(problems) == 2
    assert all(found in problem for problem in problems)


def test_a_password_that_is_none(tmp_path: Path) -> None:
    """What can't be a VNC password is reported at the start, without its text."""
    file = _secret(tmp_path / "p", "planted-99")
    config = Config(instance=(Instance(id="i-1", password_file=file),))
    [problem] = _check(config, ("instance", 0, "password_file"))
    assert "can't be a VNC password" in problem
    assert "planted" not in problem


def test_token_links_and_state_files(tmp_path: Path) -> None:
    """A token's link that leads nowhere and a state folder that is a file are mistakes."""
    (tmp_path / "link").symlink_to(tmp_path / "none")
    file = _secret(tmp_path / "file")
    config = Config(access=Access(token_file=tmp_path / "link"), state=State(directory=file))
    assert _check(config, ("access", "token_file"), ("state", "directory")) == [
        "[access] token_file: 'as written': no such file or directory",
        "[state] directory: 'as written': not a folder",
    ]


def test_faulty_paths_are_left_out(tmp_path: Path) -> None:
    """A path that was refused already isn't looked for."""
    report = Report(None, {})
    report.add(("aliyun", "ca_file"), "''", "a path")
    check_files(Config(aliyun=Aliyun(ca_file=tmp_path / "none")), report, {})
    with pytest.raises(ConfigError) as caught:
        report.raise_if_any()
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("store", "mode", "found"),
    [
        ("valkey://:hunter2@h", 0o644, ["[throttle] store: a password, in a file of mode 0644"]),
        ("valkey://:hunter2@h", 0o660, ["[throttle] store: a password, in a file of mode 0660"]),
        ("valkey://:hunter2@h", 0o640, []),
        ("valkey://h", 0o644, []),
        ("sqlite", 0o644, []),
    ],
)
def test_a_password_in_the_store_makes_the_file_a_secret(
    tmp_path: Path, store: str, mode: int, found: list[str]
) -> None:
    """Others must not be able to read it, nor the group to write it."""
    file = _secret(tmp_path / "vncproxy.toml", "", mode)
    report = Report(file, {("throttle", "store"): 1})
    check_files(Config(throttle=Throttle(store=store)), report, {})
    try:
        report.raise_if_any()
        listed = []
    except ConfigError as error:
        assert "hunter2" not in str(error)
        listed = [f"{problem.key}: {problem.found}" for problem in error.problems]
    assert listed == found


def test_a_password_from_the_environment_is_no_matter_of_the_file(tmp_path: Path) -> None:
    """What the file says then doesn't count."""
    file = _secret(tmp_path / "vncproxy.toml", "", 0o644)
    report = Report(file, {("throttle", "store"): 1})
    report.overridden(("throttle", "store"))
    check_files(Config(throttle=Throttle(store="valkey://:hunter2@h")), report, {})
    report.raise_if_any()


def test_the_store_s_certificates_must_be_there(tmp_path: Path) -> None:
    """A missing ca_file is reported."""
    path = ("throttle", "ca_file")
    config = Config(throttle=Throttle(ca_file=tmp_path / "missing.pem"))
    assert _check(config, path) == ["[throttle] ca_file: 'as written': no such file or directory"]


def test_users_and_proxies_secrets(tmp_path: Path) -> None:
    """A file of users is read whole, but may be missing; a proxy's secret may not."""
    users, secret = _secret(tmp_path / "users", '{"users": []}'), _secret(tmp_path / "s", "x" * 32)
    door = Listen(access="header", header_secret_file=secret)
    assert _check(Config(listen=(door,), access=Access(users_file=users))) == []
    assert _check(Config(access=Access(users_file=tmp_path / "missing"))) == []
    users.write_text("hunter2")
    secret.unlink()
    paths = ((*LISTEN, "header_secret_file"), ("access", "users_file"))
    found = _check(Config(listen=(door,), access=Access(users_file=users)), *paths)
    assert len(found) == 2
    assert "hunter2" not in "".join(found)
    _secret(secret, "hunter2")
    (found_short,) = _check(Config(listen=(door,)), paths[0])
    assert "can't be a proxy's secret" in found_short
    assert "hunter2" not in found_short


def test_a_command_can_t_see_the_service_s_credentials() -> None:
    """They are shown to the service alone, which is informed of a missing one; commands go on."""
    secret = CREDENTIALS / "vncproxy.service" / "header"
    config = Config(
        listen=(Listen(access="header", key=secret, header_secret_file=secret),),
        instance=(Instance(id="i-1", password_file=secret),),
    )
    keys = [(*LISTEN, "key"), (*LISTEN, "header_secret_file"), ("instance", 0, "password_file")]
    assert _check(config, *keys) == []
    other = {"CREDENTIALS_DIRECTORY": str(CREDENTIALS / "run-u1.service")}
    assert _check(config, *keys, environ=other) == []
    own = {"CREDENTIALS_DIRECTORY": str(secret.parent)}
    missing = "'as written': no such file or directory"
    assert _check(config, *keys, environ=own) == [
        f"[[listen]] 1 key: {missing}",
        f"[[listen]] 1 header_secret_file: {missing}",
        f"[[instance]] 1 password_file: {missing}",
    ]


def test_what_others_could_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose files decide who may do what is held to; a certificate's key may be anybody's."""
    secret, proxy = _secret(tmp_path / "secret"), _secret(tmp_path / "proxy", "x" * 32)
    users = _secret(tmp_path / "users.json", '{"users": []}')
    config = Config(
        listen=(Listen(key=secret, header_secret_file=proxy),),
        access=Access(token_file=secret, users_file=users),
        instance=(Instance(id="i-1", password_file=secret),),
    )
    keys = (
        (*LISTEN, "header_secret_file"),
        ("access", "token_file"),
        ("access", "users_file"),
        ("instance", 0, "password_file"),
    )
    assert _check(config, *keys) == []
    tmp_path.chmod(0o777)
    assert _check(config, *keys) == [
        f"[access] users_file: 'as written': a file in {tmp_path}, which has mode 0777"
    ]
    tmp_path.chmod(0o700)
    monkeypatch.setattr("vncproxy.config.file_checks.trusted_uids", lambda *_: frozenset({-1}))
    described = _check(config, *keys)
    assert [one.split(":")[0] for one in described] == [
        "[[listen]] 1 header_secret_file",
        "[access] token_file",
        "[access] users_file",
        "[[instance]] 1 password_file",
    ]
    assert all(": a file of " in one for one in described)


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
    """The mode is reported."""
    file.chmod(mode)
    assert foreign_hands(file, OURS) == f"mode {mode:04o}"


def test_what_belongs_to_somebody_else_is_not(file: Path) -> None:
    """Whatever its mode is: the owner may change it."""
    described = f"a file of {pwd.getpwuid(OWN).pw_name} (uid {OWN})"
    assert foreign_hands(file, NOBODY_S) == described
    assert foreign_owner(file, NOBODY_S) == described


def test_the_folder_counts_too(file: Path) -> None:
    """Who may write there can put another file in its place."""
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
    described = f"with carl-of-elsewhere in the group {group}"
    assert foreign_hands(file, OURS) == f"mode 0664, {described}"
    file.chmod(0o644)
    file.parent.chmod(0o775)
    os.chown(file.parent, -1, OWN_GID)
    assert foreign_hands(file, OURS) == f"a file in {file.parent}, which has mode 0775, {described}"
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
