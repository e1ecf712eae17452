"""VncUrls and their tokens."""

from __future__ import annotations

import random
from urllib.parse import unquote, unquote_plus

from vncproxy.simulator import Breach
from vncproxy.simulator.tickets import MAX_TICKETS, Tickets, vnc_url


def tickets(ttl_s: float = 15.0) -> Tickets:
    """Repeatable ones."""
    return Tickets(ttl_s, random.Random(1))


def test_a_token_is_valid_once() -> None:
    """The second use is a breach that still names the instance."""
    book = tickets()
    token = book.make("i-1", 100.0)
    assert book.use(token, 115.0) == ("i-1", None)
    assert book.use(token, 115.0) == ("i-1", Breach.REUSED_URL)


def test_a_token_expires() -> None:
    """Just after its life it is a breach."""
    book = tickets()
    assert book.use(book.make("i-1", 100.0), 115.1) == ("i-1", Breach.EXPIRED_URL)


def test_an_unknown_token_names_no_instance() -> None:
    """Nothing is known of it."""
    assert tickets().use("nonsense", 0.0) == ("", Breach.UNKNOWN_URL)


def test_the_book_is_bounded() -> None:
    """The oldest are forgotten."""
    book = tickets()
    first = book.make("i-1", 0.0)
    for _ in range(MAX_TICKETS):
        book.make("i-1", 0.0)
    assert book.use(first, 0.0) == ("", Breach.UNKNOWN_URL)


def test_a_url_is_quoted_twice_where_it_matters() -> None:
    """As in the API reference's example: the value in the URL, and the URL as a whole."""
    answer = vnc_url("wss", "gw:443", "Dvh/IA+c0=", "quoted")
    assert answer == "wss%3A%2F%2Fgw%3A443%2Fwebsockify%2F%3Fs%3DDvh%252FIA%252Bc0%253D"
    assert unquote(answer) == vnc_url("wss", "gw:443", "Dvh/IA+c0=", "plain")


def test_every_token_catches_a_wrong_decoder() -> None:
    """Decoding twice, or with plus as space, never gives the token back by luck."""
    book = tickets()
    for _ in range(50):
        token = book.make("i-1", 0.0)
        answer = vnc_url("ws", "gw", token, "quoted")
        value = unquote(answer).partition("?s=")[2]
        assert unquote(value) == token
        assert unquote_plus(unquote(value)) != token
