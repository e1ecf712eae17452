"""Secrets in files."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vncproxy.config.secrets import (
    MAX_SECRET_BYTES,
    Secret,
    ensure_token,
    is_vnc_password,
    read_header_secret,
    read_secret,
    read_vnc_password,
)
from vncproxy.errors import ConfigError


def _file(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"s3cret", "s3cret"),
        (b"s3cret\n", "s3cret"),
        (b"s3cret\r\n", "s3cret"),
        (b"s3cret\n\n", "s3cret\n"),
        (b" s3cret ", " s3cret "),
        ("schlüssel".encode(), "schlüssel"),
    ],
)
def test_reads_without_one_line_end(tmp_path: Path, content: bytes, secret: str) -> None:
    """One trailing line end is the editor's, everything else the secret's."""
    assert read_secret(_file(tmp_path / "s", content)) == secret


@pytest.mark.parametrize("secret", ["x" * 32, "0123456789abcdef" * 4, "!~" * 2048])
def test_a_proxy_s_secret(tmp_path: Path, secret: str) -> None:
    """Long enough not to be guessed, and what a header can hold."""
    assert read_header_secret(_file(tmp_path / "s", f"{secret}\n".encode())) == secret


@pytest.mark.parametrize(
    "content",
    [
        b"x",
        b"x" * 31,
        b" " * 32,
        b"planted " * 8,
        b"planted\n" * 8,
        b"planted\0" * 8,
        "é".encode() * 32,
        b"x" * 4097,
    ],
)
def test_what_can_t_be_a_proxy_s_secret(tmp_path: Path, content: bytes) -> None:
    """The text says how to make one, and nothing of what stands there."""
    with pytest.raises(ConfigError) as error:
        read_header_secret(_file(tmp_path / "s", content))
    assert "openssl rand -hex 32" in error.value.public_text
    assert "planted" not in error.value.public_text


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440, 0o700])
def test_safe_modes(tmp_path: Path, mode: int) -> None:
    """A file of the owner, or that a group may read, is accepted."""
    assert read_secret(_file(tmp_path / "s", b"x", mode)) == "x"


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o601, 0o660, 0o620, 0o666, 0o777])
def test_unsafe_modes(tmp_path: Path, mode: int) -> None:
    """A file that others may touch, or a group may write, is refused with its mode."""
    with pytest.raises(ConfigError, match=f"mode {mode:04o}"):
        read_secret(_file(tmp_path / "s", b"planted", mode))


def test_a_link_is_judged_by_what_it_leads_to(tmp_path: Path) -> None:
    """Links are followed, as credentials of systemd and Kubernetes need."""
    link = tmp_path / "link"
    target = _file(tmp_path / "s", b"x")
    link.symlink_to(target)
    assert read_secret(link) == "x"
    target.chmod(0o644)
    with pytest.raises(ConfigError, match="mode 0644"):
        read_secret(link)


def test_unusable_files(tmp_path: Path) -> None:
    """A missing, empty, long, binary or irregular file is a ConfigError and never a wait."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    _file(tmp_path / "empty", b"")
    _file(tmp_path / "line", b"\n")
    _file(tmp_path / "binary", b"\xff\xfeplanted")
    _file(tmp_path / "long", b"x" * (MAX_SECRET_BYTES + 1))
    for name, found in {
        "none": "no such file",
        "a\0b": "a path that can't exist",
        ".": "regular file",
        "pipe": "regular file",
        "empty": "an empty file",
        "line": "an empty file",
        "binary": "aren't UTF-8",
        "long": "a long file",
    }.items():
        with pytest.raises(ConfigError) as caught:
            read_secret(tmp_path / name)
        [problem] = caught.value.problems
        assert found in f"{problem.found} {problem.expected}", name
        assert problem.where == str(tmp_path / name)
        assert "planted" not in str(problem)
        assert not isinstance(caught.value.__cause__, UnicodeDecodeError)


def test_vnc_passwords(tmp_path: Path) -> None:
    """One to eight printable ASCII characters; an error never holds what was there."""
    for good in ("abc123", "a", "abcd1234", "a b!"):
        assert is_vnc_password(good)
        assert read_vnc_password(_file(tmp_path / "p", good.encode())).reveal() == good
    for bad in ("", "planted99", "ä", "a\tb", "a\nb"):
        assert not is_vnc_password(bad)
    with pytest.raises(ConfigError) as caught:
        read_vnc_password(_file(tmp_path / "p", b"planted99"))
    assert "planted" not in str(caught.value)
    assert "six letters or digits" in str(caught.value)


def test_secret_hides() -> None:
    """Nothing but reveal() tells a secret."""
    secret = Secret("planted")
    for text in (repr(secret), str(secret), f"{secret}", f"{[secret]}", "%s" % secret):  # noqa: UP031
        assert "planted" not in text
    assert secret.reveal() == "planted"
    assert secret == Secret("planted")
    assert hash(secret) == hash(Secret("planted"))
    assert secret != Secret("other")
    assert secret != "planted"


def test_token_is_made_once(tmp_path: Path) -> None:
    """A missing token is made with 256 bits and mode 0600 in folders of mode 0700, then kept."""
    path = tmp_path / "a" / "b" / "token"
    old_umask = os.umask(0)
    try:
        token = ensure_token(path)
    finally:
        os.umask(old_umask)
    assert len(token) == 43
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700
    assert ensure_token(path) == token
    assert [entry.name for entry in path.parent.iterdir()] == ["token"]
    assert ensure_token(tmp_path / "other") != token


def test_tokens_made_at_once_agree(tmp_path: Path) -> None:
    """Who comes second takes the first one's token."""
    path = tmp_path / "state" / "token"
    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(lambda _: ensure_token(path), range(32)))
    assert len(tokens) == 1
    assert [entry.name for entry in path.parent.iterdir()] == ["token"]


def test_tokens_that_cannot_be(tmp_path: Path) -> None:
    """A token that others can read, an empty one, or a place that can't be is a ConfigError."""
    with pytest.raises(ConfigError, match="mode 0644"):
        ensure_token(_file(tmp_path / "open", b"x", 0o644))
    with pytest.raises(ConfigError, match="an empty file"):
        ensure_token(_file(tmp_path / "empty", b""))
    with pytest.raises(ConfigError, match="not a directory"):
        ensure_token(tmp_path / "empty" / "token")
    with pytest.raises(ConfigError, match="can't exist"):
        ensure_token(tmp_path / "a\0b")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="no such file"):
        ensure_token(tmp_path / "dangling")
    assert not (tmp_path / "nowhere").exists()
