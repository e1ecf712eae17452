"""What looks like a credential is hidden, what doesn't stays."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vncproxy.observe import secret_patterns
from vncproxy.observe.secret_patterns import (
    HIDDEN,
    hide_lookalikes,
    is_no_lookalike,
    is_secret_key,
    may_hold_lookalike,
)

URL = "wss://hz01-vncproxy.aliyun.com/websockify/?s=PLANTED%2FIA%2BYc73"


@pytest.mark.parametrize(
    "text",
    [
        URL,
        quote(URL, safe=""),
        quote(quote(URL, safe=""), safe=""),
        URL.replace("wss", "ws"),
        f"could not dial <{URL}> in time",
        '{"VncUrl":"wss%3A%2F%2Fh%2F%3Fs%3DPLANTED"}',
        "GET /websockify/web-1?ticket=PLANTED&view=1 HTTP/1.1",
        "GET /websockify/web-1?view=1&ticket=PLANTED HTTP/1.1",
        "/x?s=PLANTED",
        "%3Fs%3DPLANTED",
        "token=PLANTED",
        "access_token='PLANTED'",
        "vnc_password=PLANTED,",
        "Authorization: Bearer PLANTED",
        "{'Authorization': 'Bearer PLANTED'}",
        r"{\"authorization\": \"Basic PLANTED\"}",
        "(b'Cookie', b'vncproxy-1=PLANTED; other=PLANTED')",
        "Set-Cookie: a=PLANTED; HttpOnly",
        "x-acs-security-token:PLANTED",
        "bearer PLANTED",
        '{"token":"PLANTED","x":1}',
        "{'tcp_password': 'PLANTED'}",
        "{'s': 'PLANTED'}",
        "LTAI5tPLANTED1234",
        "key STS.NUPLANTED1234 used",
        "http://127.0.0.1:6080/enter#PLANTED",
        "http://user:PLANTED@proxy:3128/",
        "Signature=PLANTED",
    ],
)
def test_credentials_are_hidden(text: str) -> None:
    """No part of a planted credential stays, and cleaning twice changes nothing."""
    assert may_hold_lookalike(text)
    assert may_hold_lookalike(text.upper())
    assert not is_no_lookalike(text)
    clean = hide_lookalikes(text)
    assert "PLANTED" not in clean
    assert HIDDEN in clean
    assert hide_lookalikes(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "console.opened duration_s=5.0 links=3",
        "wss://host/path without a query",
        "http://127.0.0.1:6080/console/web-1?view=1",
        "the token file /var/lib/vncproxy/token is missing",
        '{"bytes_s":"3","reason":"vnc-password"}',
        "password_file: found 7; expected a path",
        "2026-08-01T10:00:00Z instance i-bp1abc keepalive=pointer",
    ],
)
def test_ordinary_lines_stay(text: str) -> None:
    """A line without a credential is left as it is."""
    assert hide_lookalikes(text) == text


def test_the_reader_still_sees_what_was_hidden() -> None:
    """Host, path and names stay, so that the line is of use."""
    assert hide_lookalikes(f"dial {URL} failed") == (
        f"dial wss://hz01-vncproxy.aliyun.com/websockify/?{HIDDEN} failed"
    )


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("token", True),
        ("vnc_password", True),
        ("VncUrl", True),
        ("s", True),
        ("Authorization", True),
        ("duration_s", False),
        ("password_file", False),
        ("session_id", False),
        ("keepalive_key", False),
        (7, False),
    ],
)
def test_telling_names(key: object, secret: bool) -> None:
    """A key that names a credential hides its value; a unit suffix doesn't."""
    assert is_secret_key(key) is secret


@pytest.mark.parametrize("piece", ["ws", "a-", "token", "ws:", "%25", "'s", "a.b://", "bearer "])
def test_hostile_text_costs_no_more_than_its_length(piece: str) -> None:
    """Repeated beginnings of a pattern don't make the search quadratic."""

    def cost(count: int) -> float:
        text = piece * count
        start = time.process_time()
        hide_lookalikes(text)
        return time.process_time() - start

    # 64 KiB: linear is milliseconds, quadratic is minutes.
    assert cost(65536 // len(piece)) < 5.0


def test_a_name_after_a_value_that_is_a_headers_name_stays() -> None:
    """The kind of a proof may be "cookie"; the next key is no cookie."""
    line = '{"identity":"cookie","door":"local"}'
    assert hide_lookalikes(line) == line
    assert "abc" not in hide_lookalikes('{"cookie": "abc"}')


def test_the_action_of_the_api_hides_nothing() -> None:
    """DescribeInstanceVncUrl ends like a secret's name, but what follows it is no secret."""
    line = '{"action":"DescribeInstanceVncUrl","region":"cn-hangzhou"}'
    assert hide_lookalikes(line) == line


def test_a_value_that_reads_like_a_name_hides_nothing() -> None:
    """After "used-ticket" or "vnc-password" comes the next name of the line, which must stay."""
    line = '{"word":"used-ticket","status":401,"reason":"vnc-password","text":"wrong"}'
    assert hide_lookalikes(line) == line
    assert (
        hide_lookalikes("[('token', 'abc'), ('x', 'y')]") == "[('token', '[hidden]'), ('x', 'y')]"
    )
    assert hide_lookalikes('{"token":"abc","x":"y"}') == '{"token":"[hidden]","x":"y"}'


PIECES = st.sampled_from(
    (
        *("wss", "ws", ":", "/", "//", "?", "%3a", "%2F", "%253f", "=", "%3D", "%", "25", "&", "@"),
        *("token", "access", "key", "_", "-", "secret", "api", "password", "vnc", "url", "ticket"),
        *("Authorization", "cookie", "x-acs-", "security-token", "x-vncproxy-secret", "bearer "),
        *("LTAI", "STS.", "CAIS", "abcd1234", "/enter", "#", "%23", "s", "S", "x", "http", "'"),
        *('"', "\\", " ", ",", "\n", "\0", "b'", "\u017f", "\u212a", "ſecret", "toKen"),
    )
)


@given(st.lists(PIECES, max_size=9).map("".join) | st.text(max_size=12))
@settings(max_examples=1000)
def test_the_cheap_look_misses_nothing(text: str) -> None:
    """What the search would hide is always taken for what may hold something."""
    if hide_lookalikes(text) != text:
        assert may_hold_lookalike(text)
        assert not is_no_lookalike(text)
        assert not is_no_lookalike(text)
    elif not may_hold_lookalike(text):
        assert hide_lookalikes(f"\0{text}\0") == f"\0{text}\0"


def test_what_is_remembered_is_bounded_and_harmless() -> None:
    """Texts without a credential only, and never more than a thousand of them."""
    assert not is_no_lookalike("token=PLANTED")
    assert "token=PLANTED" not in secret_patterns._harmless
    for number in range(3 * secret_patterns._HARMLESS_MAX):
        assert is_no_lookalike(f"x={number}")
        assert len(secret_patterns._harmless) <= secret_patterns._HARMLESS_MAX
    assert is_no_lookalike("y" * 1000)
    assert "y" * 1000 not in secret_patterns._harmless
