"""Host, Origin and Sec-Fetch-Site, as plain values."""

from __future__ import annotations

import pytest

from vncproxy.errors import AccessError
from vncproxy.web.origin import (
    check_fetch_site,
    check_host,
    check_origin,
    host_name,
    may_lead_here,
    parse_origin,
    parse_origins,
)

NONE: frozenset[tuple[str, str, int]] = frozenset()


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("localhost", "localhost"),
        ("LocalHost:8080", "localhost"),
        ("127.0.0.1:1", "127.0.0.1"),
        ("[::1]:6080", "::1"),
        ("[::1]", "::1"),
        ("", None),
        (":6080", None),
        ("[]", None),
        ("[::1", None),
        ("[::1]x", None),
        ("[::1]:", None),
        ("localhost:", None),
        ("localhost:80:80", None),
        ("localhost:٣", None),
        ("localhost:-1", None),
        ("localhost:123456", None),
    ],
)
def test_the_name_in_a_host(header: str, name: str | None) -> None:
    """Any port goes, brackets and port fall away, anything odd has no name."""
    assert host_name(header) == name


@pytest.mark.parametrize(
    "header", ["localhost:9", "127.0.0.1", "[::1]:22", "bastion.example:6080", "BASTION.example"]
)
def test_own_names_may_have_any_port(header: str) -> None:
    """Loopback names and the door's own are the daemon's; ssh -L changes the port."""
    assert check_host([header], frozenset({"bastion.example"})) == header


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [""],
        ["evil.example"],
        ["localhost.evil.example"],
        ["user@localhost"],
        ["localhost", "localhost"],
        ["localhost", "evil.example"],
        ["localhost,evil.example"],
        ["127.0.0.1.nip.io"],
        ["127.0.0.2"],
        ["0.0.0.0"],
        ["localhost/"],
    ],
)
def test_foreign_hosts_are_misdirected(headers: list[str]) -> None:
    """A name that isn't ours, none, or two: 421."""
    with pytest.raises(AccessError) as refusal:
        check_host(headers, frozenset())
    assert (refusal.value.status, refusal.value.word) == (421, "foreign-host")


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("http://localhost", ("http", "localhost", 80)),
        ("https://localhost", ("https", "localhost", 443)),
        ("HTTP://LOCALHOST:6080", ("http", "localhost", 6080)),
        ("http://[::1]:6080", ("http", "::1", 6080)),
        ("null", None),
        ("", None),
        ("http://", None),
        ("http://[::1", None),
        ("http://localhost/", None),
        ("http://localhost:6080/console", None),
        ("http://user@localhost", None),
        ("file://", None),
        ("chrome-extension://abc", None),
        ("localhost:6080", None),
        ("http://localhost#x", None),
        ("http://local host", None),
        ("http://localhost\n", None),
    ],
)
def test_origins_as_browsers_write_them(text: str, origin: tuple[str, str, int] | None) -> None:
    """Scheme, host and port, the default port filled in; nothing else is an origin."""
    assert parse_origin(text) == origin


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:6080", "localhost:6080"),
        ("http://LOCALHOST:6080", "localhost:6080"),
        ("http://localhost", "localhost"),
        ("http://localhost", "localhost:80"),
        ("http://localhost:80", "localhost"),
        ("https://bastion.example", "bastion.example"),
        ("https://bastion.example", "bastion.example:443"),
        ("http://[::1]:6080", "[::1]:6080"),
        ("http://[::1]", "[::1]"),
    ],
)
def test_pages_of_our_own(origin: str, host: str) -> None:
    """An Origin whose host and port equal Host's is ours, default ports understood."""
    check_origin([origin], host, NONE)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("null", "localhost:6080"),
        ("", "localhost:6080"),
        ("http://evil.example", "localhost:6080"),
        ("http://localhost:8080", "localhost:6080"),
        ("http://localhost", "localhost:6080"),
        ("http://localhost", "localhost:443"),
        ("https://localhost", "localhost:80"),
        ("http://127.0.0.1:6080", "localhost:6080"),
        ("http://localhost:6080.evil.example", "localhost:6080"),
        ("http://localhost:6080@evil.example", "localhost:6080"),
        ("http://[::1", "localhost:6080"),
        ("ftp://localhost:6080", "localhost:6080"),
        ("http://::1:6080", "[::1]:6080"),
    ],
)
def test_pages_of_others(origin: str, host: str) -> None:
    """Another host, another port, no origin at all: 403."""
    with pytest.raises(AccessError) as refusal:
        check_origin([origin], host, NONE)
    assert (refusal.value.status, refusal.value.word) == (403, "foreign-origin")


def test_two_origins_are_foreign() -> None:
    """One that comes twice is refused even if both are ours."""
    with pytest.raises(AccessError):
        check_origin(["http://localhost", "http://localhost"], "localhost", NONE)


def test_no_origin_is_no_fault() -> None:
    """Programs and plain navigations send none."""
    check_origin([], "localhost", NONE)


def test_allowed_origins() -> None:
    """They are compared by scheme, host and port, however the settings write them."""
    allowed = parse_origins(["https://Portal.Example", "http://wiki.example:8080"])
    check_origin(["https://portal.example"], "localhost", allowed)
    check_origin(["https://portal.example:443"], "localhost", allowed)
    check_origin(["http://wiki.example:8080"], "localhost", allowed)
    for foreign in ("http://portal.example", "https://portal.example:8443", "http://wiki.example"):
        with pytest.raises(AccessError):
            check_origin([foreign], "localhost", allowed)


@pytest.mark.parametrize("sites", [[], ["none"], ["same-origin"]])
def test_fetch_sites_that_may_come(sites: list[str]) -> None:
    """Typed addresses, our own pages, and who doesn't say."""
    check_fetch_site(sites)


@pytest.mark.parametrize("sites", [["cross-site"], ["same-site"], ["none", "cross-site"]])
def test_fetch_sites_that_may_not(sites: list[str]) -> None:
    """Other sites, also neighbours on the same domain: 403."""
    with pytest.raises(AccessError) as refusal:
        check_fetch_site(sites)
    assert (refusal.value.status, refusal.value.word) == (403, "cross-site")


LED = ("https://one.example/", "https://one.example/console/web-1", "https://one.example")


@pytest.mark.parametrize("referrer", LED)
def test_a_known_origin_may_lead_here(referrer: str) -> None:
    """In its tab, as a link does."""
    allowed = parse_origins(["https://one.example"])
    assert may_lead_here(["navigate"], ["document"], [referrer], allowed)
    assert not may_lead_here(["navigate"], ["document"], [referrer], NONE)
    for modes, targets in (
        ([], ["document"]),
        (["navigate"], []),
        (["navigate"], ["iframe"]),
        (["cors"], ["empty"]),
        (["navigate", "navigate"], ["document"]),
    ):
        assert not may_lead_here(modes, targets, [referrer], allowed)


@pytest.mark.parametrize(
    "referrers",
    [
        [],
        ["https://evil.example/"],
        ["https://one.example.evil.example/"],
        ["https://one.example@evil.example/"],
        ["https://evil.example/https://one.example/"],
        ["https://one.example:444/"],
        ["http://one.example/"],
        ["https://one.example/", "https://one.example/"],
        ["null"],
        ["about:client"],
    ],
)
def test_an_unknown_origin_may_not(referrers: list[str]) -> None:
    """Who doesn't say where it comes from isn't known either."""
    allowed = parse_origins(["https://one.example"])
    assert not may_lead_here(["navigate"], ["document"], referrers, allowed)
