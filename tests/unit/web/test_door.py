"""One door: the token, the cookie, and who comes in by which."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from vncproxy.config.model import Access, Listen
from vncproxy.errors import AccessError
from vncproxy.observe.redaction import Redactor
from vncproxy.web.door import Door, Token
from vncproxy.web.identity import ANYONE, Identity
from vncproxy.web.sessions import Sessions

TOKEN = "the-owners-token"
OWNER = Identity("owner", "bearer")


def door(folder: Path, listen: Listen | None = None) -> Door:
    """A door whose owner has `TOKEN`."""
    sessions = Sessions(folder, 100.0, b"key", Redactor())
    return Door(listen or Listen(), Access(), Token.of(TOKEN), sessions)


def request(**headers: str) -> web.Request:
    """A request with these headers."""
    return make_mocked_request("GET", "/", headers)


def test_tokens_are_kept_as_digests() -> None:
    """The object doesn't have the token, and takes any text for comparison."""
    token = Token.of(TOKEN)
    assert TOKEN.encode() not in token.digest
    assert token.matches(TOKEN)
    for text in ("", TOKEN[:-1], f"{TOKEN} ", TOKEN.upper(), "\udcff", "é" * 1000):
        assert not token.matches(text)


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer  {TOKEN} ", f"BEARER {TOKEN}"])
def test_the_bearer(tmp_path: Path, header: str) -> None:
    """The scheme's case doesn't matter. Source: RFC 9110, section 11.1."""
    assert door(tmp_path).find(request(Authorization=header)) == OWNER


def test_a_wrong_bearer_is_refused(tmp_path: Path) -> None:
    """A wrong token is told even to those who have a cookie; other schemes count as none."""
    with pytest.raises(AccessError) as refusal:
        door(tmp_path).find(request(Authorization="Bearer x"))
    assert (refusal.value.status, refusal.value.word) == (401, "wrong-token")
    assert door(tmp_path).find(request(Authorization=f"Basic {TOKEN}")) is None
    assert door(tmp_path).find(request(Authorization=TOKEN)) is None


async def test_the_cookie(tmp_path: Path) -> None:
    """Whoever logged in here comes in with the cookie of this daemon's name only."""
    sessions = Sessions(tmp_path, 100.0, b"key", Redactor())
    ours = Door(Listen(), Access(), Token.of(TOKEN), sessions)
    text = await sessions.begin(OWNER)
    found = ours.identify(request(Cookie=f"other=1; {ours.cookie_name}={text}"))
    assert found == Identity("owner", "cookie")
    for cookie in (f"vncproxy-other={text}", f"{ours.cookie_name}={text}x", text):
        with pytest.raises(AccessError) as refusal:
            ours.identify(request(Cookie=cookie))
        assert refusal.value.word == "log-in"


def test_a_door_with_tls_has_a_cookie_of_its_own(tmp_path: Path) -> None:
    """Browsers keep a cookie of that name from plain pages and neighbouring hosts."""
    plain = door(tmp_path)
    secure = door(tmp_path, Listen(certificate=tmp_path / "c.pem", key=tmp_path / "k.pem"))
    assert secure.secure and not plain.secure
    assert secure.cookie_name == f"__Host-{plain.cookie_name}"


def test_an_open_door(tmp_path: Path) -> None:
    """Everybody is anyone, whatever is shown."""
    ours = door(tmp_path, Listen(access="open"))
    assert ours.identify(request(Authorization="Bearer wrong")) == ANYONE


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("192.0.2.7:6080", "192.0.2.7:1"),
        ("[2001:db8::1]:6080", "[2001:db8::1]:6080"),
        ("unix:/run/x.sock", "localhost"),
    ],
)
def test_the_doors_own_host(tmp_path: Path, address: str, host: str) -> None:
    """The address that it listens on is a name of the daemon."""
    listen = Listen(address=address, insecure=True)
    door(tmp_path, listen).check_browser(request(Host=host))
    with pytest.raises(AccessError):
        door(tmp_path, listen).check_browser(request(Host="192.0.2.8"))
