"""Log-ins: how long they last, what is kept of them, and that a log-out is for good."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.clock import FakeClock
from vncproxy.access.identity import Identity
from vncproxy.access.login_sessions import (
    FILE_NAME,
    ID_FILE_NAME,
    MAX_SESSIONS,
    MAX_SESSIONS_OF_ONE,
    Sessions,
)
from vncproxy.errors import LocalError
from vncproxy.observe.redaction import Redactor

OWNER = Identity("owner", "bearer")
KEY = b"the owner's token, digested"


def sessions(folder: Path, clock: FakeClock | None = None, key: bytes = KEY) -> Sessions:
    """As a daemon that starts has them."""
    return Sessions(
        folder, lambda: 100.0, lambda: key, Redactor(), clock or FakeClock(1_700_000_000.0)
    )


async def test_a_log_in_lasts_its_time(tmp_path: Path) -> None:
    """Until its end it is good, then no more; other texts never are."""
    clock = FakeClock(1_700_000_000.0)
    ours = sessions(tmp_path, clock)
    text = await ours.begin(OWNER)
    clock.forward(99.9)
    assert ours.find(text) == Identity("owner", "cookie")
    assert ours.find(text + "x") is None
    assert ours.find("") is None
    assert ours.find("\udcff") is None
    clock.forward(0.1)
    assert ours.find(text) is None


async def test_a_log_in_survives_a_restart(tmp_path: Path) -> None:
    """Another daemon on the same state directory knows the cookie, under the same name."""
    before = sessions(tmp_path)
    text = await before.begin(OWNER)
    after = sessions(tmp_path)
    assert after.find(text) == Identity("owner", "cookie")
    assert after.cookie_name == before.cookie_name


async def test_daemons_on_one_host_have_different_cookies(tmp_path: Path) -> None:
    """Cookies ignore ports, so the name has the daemon's id."""
    names = set()
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        names.add(sessions(tmp_path / folder).cookie_name)
    assert len(names) == 2
    assert all(name.startswith("vncproxy-") for name in names)


async def test_a_log_out_is_for_good(tmp_path: Path) -> None:
    """Neither this daemon nor the next takes the cookie; the others stay."""
    ours = sessions(tmp_path)
    text, other = await ours.begin(OWNER), await ours.begin(OWNER)
    await ours.end(text)
    await ours.end(text)
    for daemon in (ours, sessions(tmp_path)):
        assert daemon.find(text) is None
        assert daemon.find(other) is not None


async def test_a_log_out_that_cannot_be_kept_is_reported(tmp_path: Path) -> None:
    """The cookie is void at once, and who logs out learns that a restart would revive it."""
    ours = sessions(tmp_path)
    text = await ours.begin(OWNER)
    (tmp_path / FILE_NAME).unlink()
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(LocalError, match="logged out"):
        await ours.end(text)
    assert ours.find(text) is None
    assert sorted(one.name for one in tmp_path.iterdir()) == [ID_FILE_NAME, FILE_NAME]


async def test_a_log_in_works_on_a_full_disk(tmp_path: Path) -> None:
    """What can't be kept is good until the daemon ends."""
    ours = sessions(tmp_path)
    (tmp_path / FILE_NAME).mkdir()
    assert ours.find(await ours.begin(OWNER)) is not None


async def test_another_token_ends_every_log_in(tmp_path: Path) -> None:
    """A token is exchanged because it leaked: cookies made with it must go with it."""
    text = await sessions(tmp_path).begin(OWNER)
    assert sessions(tmp_path, key=b"another").find(text) is None


async def test_the_file_tells_no_cookie(tmp_path: Path) -> None:
    """Only digests are kept, for the daemon's user alone."""
    text = await sessions(tmp_path).begin(OWNER)
    for file in tmp_path.iterdir():
        assert text not in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"a": 1}', b"\xff", b"[" * 5000])
async def test_a_file_that_is_not_ours_counts_as_none(tmp_path: Path, content: bytes) -> None:
    """Everybody logs in again; the daemon starts all the same."""
    (tmp_path / FILE_NAME).write_bytes(content)
    ours = sessions(tmp_path)
    assert ours.find(await ours.begin(OWNER)) is not None


async def test_an_id_that_is_not_ours_is_replaced(tmp_path: Path) -> None:
    """A cookie's name holds letters and digits only."""
    (tmp_path / ID_FILE_NAME).write_text("a; Path=/\r\n")
    name = sessions(tmp_path).cookie_name
    assert name.removeprefix("vncproxy-").isalnum()
    assert sessions(tmp_path).cookie_name == name


async def test_log_ins_are_bounded(tmp_path: Path) -> None:
    """The oldest goes when there are too many, and what is over is swept out."""
    clock = FakeClock(1_700_000_000.0)
    ours = sessions(tmp_path, clock)
    over = await ours.begin(OWNER)
    clock.forward(200)
    first = await ours.begin(OWNER)
    clock.forward(1)
    for _ in range(3):
        await ours.begin(OWNER)
    assert ours._digest(over) not in ours._sessions
    assert len(ours._sessions) == 4
    one = ours._sessions[ours._digest(first)]
    ours._sessions.update({f"{n}": replace(one, user=f"user-{n}") for n in range(MAX_SESSIONS)})
    last = await ours.begin(OWNER)
    assert len(ours._sessions) == MAX_SESSIONS
    assert ours.find(last) is not None


async def test_each_user_has_a_share_of_the_log_ins(tmp_path: Path) -> None:
    """Who logs in again and again voids nobody's log-in but the own oldest."""
    clock = FakeClock(1_700_000_000.0)
    ours = sessions(tmp_path, clock)
    bob, eve = Identity("bob", "bearer", "users"), Identity("eve", "bearer", "users")
    other = await ours.begin(bob)
    namesake = await ours.begin(Identity("eve", "bearer", "token"))
    texts = []
    for _ in range(MAX_SESSIONS_OF_ONE + 3):
        clock.forward(1)
        texts.append(await ours.begin(eve))
    assert [ours.find(text) is not None for text in texts] == [
        *(False,) * 3,
        *(True,) * MAX_SESSIONS_OF_ONE,
    ]
    assert ours.find(other) is not None
    assert ours.find(namesake) is not None


async def test_a_cookie_is_no_good_for_another_account_of_the_machine(tmp_path: Path) -> None:
    """Browsers send it to all ports of a host, and so to what others let listen there."""
    text = await sessions(tmp_path).begin(OWNER, account=1001)
    for ours in (sessions(tmp_path), sessions(tmp_path)):
        assert ours.find(text, account=1001) == Identity("owner", "cookie")
        assert ours.find(text, account=1002) is None
        assert ours.find(text) is None
    elsewhere = await sessions(tmp_path).begin(OWNER)
    assert sessions(tmp_path).find(elsewhere, account=1002) is not None


async def test_a_session_keeps_who_it_is(tmp_path: Path) -> None:
    """The kind of door and the token with which it began, also over a restart."""
    ann = Identity("ann", "bearer", "users", "id-1")
    text = await sessions(tmp_path).begin(ann)
    assert sessions(tmp_path).find(text) == Identity("ann", "cookie", "users", "id-1")


async def test_a_session_of_an_older_version_is_the_owner_s(tmp_path: Path) -> None:
    """Its file has no kinds: there was one only."""
    ours = sessions(tmp_path)
    text = await ours.begin(OWNER)
    file = tmp_path / FILE_NAME
    file.write_text(
        file.read_text().replace(',"kind":"token"', "").replace(',"token_id":"","account":null', "")
    )
    assert "kind" not in file.read_text()
    assert sessions(tmp_path).find(text) == Identity("owner", "cookie", "token")
