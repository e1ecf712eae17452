"""Addresses of a store that several daemons share."""

from __future__ import annotations

import pytest

from vncproxy.config.store_url import (
    StoreUrl,
    is_shared,
    is_store,
    parse_store_url,
    without_login,
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("valkey://h", StoreUrl(host="h")),
        ("valkey://10.0.0.1:7000/3", StoreUrl(host="10.0.0.1", port=7000, database=3)),
        ("valkey://[::1]:7000/", StoreUrl(host="::1", port=7000)),
        ("valkeys://store.example.com", StoreUrl(host="store.example.com", tls=True)),
        ("valkey://:pw@h", StoreUrl(host="h", password="pw")),
        ("valkey://ops:pw@h/1", StoreUrl(host="h", user="ops", password="pw", database=1)),
        ("valkey://ops:p%40%2Fw%3A%25@h", StoreUrl(host="h", user="ops", password="p@/w:%")),
        ("valkey://ops:p:@w@h", StoreUrl(host="h", user="ops", password="p:@w")),
        ("valkey+unix:///run/valkey/s", StoreUrl(socket="/run/valkey/s")),
        (
            "valkey+unix://ops:pw@/run/a%20b?db=2",
            StoreUrl(socket="/run/a b", user="ops", password="pw", database=2),
        ),
    ],
)
def test_parts(text: str, parts: StoreUrl) -> None:
    """Each form gives its parts, percent-decoded once."""
    assert parse_store_url(text) == parts
    assert is_store(text)
    assert is_shared(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "valkey",
        "valkey:",
        "valkey://",
        "valkey:///0",
        "valkey://h:",
        "valkey://h:0",
        "valkey://h:65536",
        "valkey://h:pw",
        "valkey://h/x",
        "valkey://h/-1",
        "valkey://h/12345",
        "valkey://h/0/1",
        "valkey://h?db=1",
        "valkey://h#0",
        "valkey://user@h",
        "valkey://user:@h",
        "valkey://:pass word@h",
        "valkey://h\n",
        "valkey://[::1",
        "valkey://a b",
        "redis://h",
        "VALKEY+unix://h/s",
        "valkey+unix://h/s",
        "valkey+unix://",
        "valkey+unix:///s/",
        "valkey+unix:///%00",
        "valkey+unix:///s?db=x",
        "valkey+unix:///s?other=1",
        "valkey+unix:///s?db=1&db=2",
        "valkey+unix:///" + "s" * 108,
    ],
)
def test_refused(text: str) -> None:
    """Anything else isn't such an address, and the reason repeats nothing of it."""
    with pytest.raises(ValueError) as caught:
        parse_store_url(text)
    assert not text or text not in str(caught.value)
    assert caught.value.__cause__ is None
    assert not is_store(text)


def test_stores_that_are_not_shared() -> None:
    """The two words are stores too."""
    for word in ("sqlite", "memory"):
        assert is_store(word)
        assert not is_shared(word)


def test_the_password_is_not_shown() -> None:
    """Neither the parts nor the text for people tell it."""
    for text in ("valkey://ops:hunter2@h/1", "valkey://ops:a@hunter2@h/1", "valkey://x/hunter2@h"):
        assert "hunter2" not in without_login(text)
    url = parse_store_url("valkey://ops:hunter2@h/1")
    assert "hunter2" not in f"{url!r} {url}"
    assert without_login("valkey://ops:hunter2@h/1") == "valkey://h/1"
    assert without_login("sqlite") == "sqlite"
