"""What a reverse proxy may say."""

from __future__ import annotations

from pathlib import Path

import pytest
from multidict import CIMultiDict

from vncproxy.access.proxy_header import ProxyHeaders, WrongSecretError, header_secret_of
from vncproxy.config.model import Listen
from vncproxy.errors import AccessError

SECRET = "planted-what-the-proxy-sends-0123456789"
PROXY = "10.0.0.5"


def checks(*trusted: str) -> ProxyHeaders:
    """A door's checks."""
    return ProxyHeaders(trusted or (PROXY,), "X-Forwarded-User", SECRET)


def headers(*pairs: tuple[str, str]) -> CIMultiDict[str]:
    """Headers, possibly twice."""
    return CIMultiDict(pairs)


GOOD = (("X-Vncproxy-Secret", SECRET), ("X-Forwarded-User", "ann"))


@pytest.mark.parametrize("remote", [PROXY, f"::ffff:{PROXY}", None])
def test_a_proxy_names_the_user(remote: str | None) -> None:
    """From its address in either spelling, or through the Unix socket."""
    assert checks().user(remote, headers(*GOOD)) == "ann"
    assert checks().user(remote, headers(GOOD[0], ("X-Forwarded-User", " \tann\t "))) == "ann"


@pytest.mark.parametrize(
    ("remote", "given", "word"),
    [
        ("10.0.0.6", GOOD, "not-a-proxy"),
        ("127.0.0.1", GOOD, "not-a-proxy"),
        ("::", GOOD, "not-a-proxy"),
        (PROXY, GOOD[1:], "no-secret"),
        (None, GOOD[1:], "no-secret"),
        (PROXY, (("X-Vncproxy-Secret", "x"), *GOOD), "no-secret"),
        (PROXY, (GOOD[0], *GOOD), "no-secret"),
        (PROXY, GOOD[:1], "no-user"),
        (PROXY, (GOOD[0], ("X-Forwarded-User", "")), "no-user"),
        (PROXY, (GOOD[0], ("X-Forwarded-User", " ")), "no-user"),
        (PROXY, (GOOD[0], ("X-Forwarded-User", "ann,root")), "no-user"),
        (PROXY, (GOOD[0], ("X-Forwarded-User", "a\x7fb")), "no-user"),
        (PROXY, (GOOD[0], ("X-Forwarded-User", "ann\xa0")), "no-user"),
        (PROXY, (GOOD[0], ("X-Forwarded-User", "\u3000ann")), "no-user"),
        (PROXY, (GOOD[0], ("X-Forwarded-User", "ann\x85")), "no-user"),
        (PROXY, (GOOD[0], ("X-Forwarded-User", "an\u200bn")), "no-user"),
        (PROXY, (*GOOD, ("x-forwarded-user", "root")), "no-user"),
        (PROXY, (GOOD[0], ("X-Real-User", "ann")), "no-user"),
    ],
)
def test_attacks(remote: str | None, given: tuple[tuple[str, str], ...], word: str) -> None:
    """Unlisted peers, missing, wrong and doubled headers give no identity."""
    with pytest.raises(AccessError) as refusal:
        checks().user(remote, headers(*given))
    assert (refusal.value.status, refusal.value.word) == (401, word)
    assert SECRET not in refusal.value.public_text


@pytest.mark.parametrize("text", ["", SECRET[:-1], f"{SECRET}x", "\udcff"])
def test_a_wrong_secret(text: str) -> None:
    """It isn't the same as a missing one: it may be a guess. From elsewhere it isn't looked at."""
    given = headers(("X-Vncproxy-Secret", text), GOOD[1])
    with pytest.raises(WrongSecretError):
        checks().user(PROXY, given)
    with pytest.raises(AccessError) as refusal:
        checks().user("10.0.0.6", given)
    assert refusal.value.word == "not-a-proxy"


def test_the_secret_is_kept_as_a_digest() -> None:
    """It isn't in the object."""
    ours = checks()
    assert SECRET.encode() not in ours._digest
    with pytest.raises(AssertionError):
        ProxyHeaders((), "X-Forwarded-User", "")


def test_the_secret_s_file(tmp_path: Path) -> None:
    """Read without its line end; a door without one has none."""
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    file.chmod(0o600)
    assert header_secret_of(Listen(access="header", header_secret_file=file)) == SECRET
    assert header_secret_of(Listen()) == ""
