"""One door: the token, the cookie, and who comes in by which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from tests.unit.access.test_users import add
from vncproxy.access.accounts import least_uid
from vncproxy.access.identity import ANYONE, Identity
from vncproxy.access.login_attempts import FREE, LoginAttempts
from vncproxy.access.login_sessions import Sessions
from vncproxy.access.users import Users
from vncproxy.config.model import Access, Listen
from vncproxy.errors import AccessError
from vncproxy.observe.redaction import Redactor
from vncproxy.web.door import Door, DoorSettings, Token, account_behind

TOKEN = "the-owners-token"
OWNER = Identity("owner", "bearer")


def sessions_in(folder: Path) -> Sessions:
    """The log-ins of a daemon."""
    return Sessions(folder, lambda: 100.0, lambda: b"key", Redactor())


def settings_of(
    listen: Listen, users: Users | None = None, header_secret: str = ""
) -> Callable[[], DoorSettings]:
    """What is in force at a door whose owner has `TOKEN`."""
    users = users or Users(None)
    made = DoorSettings.of(listen, Access(), Token.of(TOKEN), users, header_secret)
    return lambda: made


def door(folder: Path, listen: Listen | None = None) -> Door:
    """A door whose owner has `TOKEN`."""
    sessions = sessions_in(folder)
    listen = listen or Listen()
    return Door(listen, settings_of(listen), sessions)


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
    """A wrong token is refused even to those who have a cookie; other schemes count as none."""
    with pytest.raises(AccessError) as refusal:
        door(tmp_path).find(request(Authorization="Bearer x"))
    assert (refusal.value.status, refusal.value.word) == (401, "wrong-token")
    assert door(tmp_path).find(request(Authorization=f"Basic {TOKEN}")) is None
    assert door(tmp_path).find(request(Authorization=TOKEN)) is None


async def test_the_cookie(tmp_path: Path) -> None:
    """Who logged in here comes in with the cookie of this daemon's name only."""
    sessions = sessions_in(tmp_path)
    ours = Door(Listen(), settings_of(Listen()), sessions)
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


def test_a_cookie_below_a_path(tmp_path: Path) -> None:
    """It is sent there only; the name that browsers keep for a whole host isn't to be had there."""
    plain, below = door(tmp_path), door(tmp_path, Listen(base_path="/vnc"))
    secure = door(
        tmp_path, Listen(base_path="/vnc", certificate=tmp_path / "c.pem", key=tmp_path / "k.pem")
    )
    assert (plain.cookie_path, below.cookie_path, secure.cookie_path) == ("/", "/vnc", "/vnc")
    assert below.cookie_name == plain.cookie_name
    assert secure.cookie_name == f"__Secure-{plain.cookie_name}"


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


async def test_a_cookie_of_another_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no log-in; a proxy's account, and who logged in from elsewhere, are many people."""
    ours = door(tmp_path)
    uid = least_uid()
    monkeypatch.setattr("vncproxy.web.door.uid_behind", lambda _transport: uid)
    asking = request(Cookie=f"{ours.cookie_name}=x")
    assert account_behind(asking) == uid
    cookie = await ours._sessions.begin(OWNER, account_behind(asking))
    asking = request(Cookie=f"{ours.cookie_name}={cookie}")
    assert ours.find(asking) is not None
    uid += 1
    assert ours.find(asking) is None
    uid = 33
    assert account_behind(asking) is None
    assert ours.find(asking) is None


async def test_users_and_the_owner_are_distinguished(tmp_path: Path) -> None:
    """By the kind of door, whatever they are called, for tokens, cookies and tickets; each is asked
    for the right token.
    """
    file = tmp_path / "users.json"
    text = add(file, "owner")
    sessions = sessions_in(tmp_path)
    listen = Listen(access="users")
    theirs = Door(listen, settings_of(listen, Users(file)), sessions)
    ours = Door(Listen(), settings_of(Listen()), sessions)
    named = theirs.by_token(request(), text)
    assert (named.user, named.kind) == ("owner", "users")
    assert not ours.knows(named, request())
    assert not theirs.knows(OWNER, request())
    assert theirs.knows(named, request())
    assert theirs.cookie_name != ours.cookie_name
    cookie = await sessions.begin(named)
    assert theirs.find(request(Cookie=f"{theirs.cookie_name}={cookie}")) is not None
    assert ours.find(request(Cookie=f"{ours.cookie_name}={cookie}")) is None
    for door_, wrong, word in ((theirs, TOKEN, "user-log-in"), (ours, text, "log-in")):
        with pytest.raises(AccessError):
            door_.by_token(request(), wrong)
        with pytest.raises(AccessError) as refusal:
            door_.identify(request())
        assert refusal.value.word == word


def test_a_wrong_token_counts_once_for_each_request(tmp_path: Path) -> None:
    """However often the request is looked at."""
    attempts = LoginAttempts()
    sessions = sessions_in(tmp_path)
    ours = Door(Listen(), settings_of(Listen()), sessions, attempts=attempts)
    asking = request(Authorization="Bearer x")
    for _ in range(FREE + 5):
        with pytest.raises(AccessError) as refusal:
            ours.find(asking)
        assert refusal.value.status == 401
    assert ours.find(request(Authorization=f"Bearer {TOKEN}")) == OWNER
    for _ in range(FREE):
        with pytest.raises(AccessError) as refusal:
            ours.find(request(Authorization="Bearer x"))
        assert refusal.value.status == 401, "the right token made what went before a slip"
    with pytest.raises(AccessError) as refusal:
        ours.find(request(Authorization="Bearer x"))
    assert (refusal.value.status, refusal.value.word) == (429, "too-many-attempts")
    assert refusal.value.retry_after_s is not None
    assert ours.find(request(Authorization=f"Bearer {TOKEN}")) == OWNER


def test_doors_that_know_by_the_connection_take_no_token(tmp_path: Path) -> None:
    """Nor a ticket of anybody else; a connection that is gone is nobody's."""
    ours = door(tmp_path, Listen(access="peer"))
    assert ours.by_connection
    with pytest.raises(AccessError) as refusal:
        ours.by_token(request(), TOKEN)
    assert refusal.value.word == "no-tokens"
    assert ours.find(request(Authorization=f"Bearer {TOKEN}")) is None
    assert not ours.knows(Identity("ann", "ticket", "peer"), request())
    assert ours.program(request(Origin="http://localhost")) is None
    with pytest.raises(AccessError) as refusal:
        ours.identify(request())
    assert refusal.value.word == "no-account"


def test_the_service_s_own_account_is_the_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may read the token; the account of another service, or root as a service, is nobody."""
    ours = door(tmp_path, Listen(access="peer"))
    monkeypatch.setattr("vncproxy.web.door.uid_behind", lambda _transport: 990)
    monkeypatch.setattr("os.geteuid", lambda: 990)
    assert ours.find(request()) == Identity("owner", "peer", "token")
    assert ours.find(request(Via="1.1 proxy")) is None
    for uid in (991, 0):
        monkeypatch.setattr("os.geteuid", lambda uid=uid: uid)
        assert ours.find(request()) is None
    monkeypatch.setattr("vncproxy.web.door.uid_behind", lambda _transport: 0)
    assert ours.find(request()) is None


def test_whom_a_proxy_names(tmp_path: Path) -> None:
    """On each request; a ticket is good for its user only."""
    sessions = sessions_in(tmp_path)
    listen = Listen(access="header", trusted_proxies=("10.0.0.5",))
    ours = Door(listen, settings_of(listen, header_secret="planted"), sessions)
    with pytest.raises(AccessError) as refusal:
        ours.find(request())
    assert refusal.value.word == "not-a-proxy"
    with pytest.raises(AccessError):
        ours.knows(Identity("ann", "ticket", "header"), request())


def test_a_ticket_of_an_open_door_is_good_there_only(tmp_path: Path) -> None:
    """It proved nothing."""
    assert door(tmp_path, Listen(access="open")).knows(ANYONE, request())
    assert not door(tmp_path).knows(ANYONE, request())
