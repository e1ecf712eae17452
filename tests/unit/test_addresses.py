"""Addresses in settings: listeners', URLs, the store's."""

from __future__ import annotations

from pathlib import Path

import pytest

from vncproxy.addresses import (
    StoreUrl,
    TcpAddress,
    UnixAddress,
    are_origins,
    is_base,
    is_base_or_empty,
    is_base_path,
    is_door,
    is_endpoint,
    is_host,
    is_loopback,
    is_page,
    is_shared,
    is_store,
    parse_address,
    parse_store_url,
    without_login,
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:6080", TcpAddress("127.0.0.1", 6080)),
        ("[::1]:6080", TcpAddress("::1", 6080)),
        ("localhost:1", TcpAddress("localhost", 1)),
        ("0.0.0.0:65535", TcpAddress("0.0.0.0", 65535)),
        ("[0:0:0:0:0:0:0:1]:80", TcpAddress("::1", 80)),
        ("127.0.0.1:0", TcpAddress("127.0.0.1", 0)),
        ("unix:/run/vncproxy/v.sock", UnixAddress(Path("/run/vncproxy/v.sock"))),
    ],
)
def test_parses(text: str, address: object) -> None:
    """Each form of the contract gives its parts."""
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "6080",
        ":6080",
        "*:6080",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:+80",
        "127.0.0.1:٨٠",
        "127.0.0.1:80\n",
        "::1:6080",
        "[127.0.0.1]:80",
        "[localhost]:80",
        "[::1]",
        "bastion.example.com:80",
        "127.1:80",
        "unix:run/v.sock",
        "unix:",
        "unix:/run/",
        "unix:/a\0b",
        "unix:/" + "a" * 107,
    ],
)
def test_refuses(text: str) -> None:
    """Anything else is a ValueError, so that no address means something unexpected."""
    with pytest.raises(ValueError):
        parse_address(text)
    assert not is_door(text)


def test_text_form_comes_back() -> None:
    """An address prints as it is written."""
    for text in ("127.0.0.1:6080", "[::1]:6080", "unix:/run/v.sock"):
        assert str(parse_address(text)) == text


def test_door_needs_a_port() -> None:
    """Port 0 is for callers that build a configuration themselves, not for files."""
    assert is_door("127.0.0.1:1")
    assert is_door("unix:/run/v.sock")
    assert not is_door("127.0.0.1:0")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.255.0.9", True),
        ("::1", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("[::1]", True),
        ("a.localhost", True),
        ("A.LOCALHOST", True),
        ("alocalhost", False),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
        ("", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    """Only names that can't lead off this machine count as loopback."""
    assert is_loopback(host) is loopback
    if ":" not in host and host[:1].isdigit() and host[-1:].isdigit():
        assert TcpAddress(host, 1).loopback is loopback


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("bastion", True),
        ("bastion.example.com", True),
        ("bastion.example.com.", True),
        ("10.0.0.1", True),
        ("::1", True),
        ("a" * 64, False),
        (".".join(["a" * 63] * 4), False),
        ("-a", False),
        ("a..b", False),
        ("a:80", False),
        ("[::1]", False),
        ("*.example.com", False),
        ("", False),
        ("a b", False),
        ("a\n", False),
    ],
)
def test_host(text: str, good: bool) -> None:
    """A host is a name or an IP address and nothing more."""
    assert is_host(text) is good


@pytest.mark.parametrize(
    "text",
    [
        "https://ecs.cn-hangzhou.aliyuncs.com",
        "https://ecs.cn-hangzhou.aliyuncs.com/",
        "https://ecs.example.com:8443",
        "http://127.0.0.1:9000",
        "http://localhost:9000",
        "http://[::1]:9000",
    ],
)
def test_endpoints(text: str) -> None:
    """An endpoint is https, or http to this machine."""
    assert is_endpoint(text)


@pytest.mark.parametrize(
    "text",
    [
        "ecs.cn-hangzhou.aliyuncs.com",
        "http://ecs.cn-hangzhou.aliyuncs.com",
        "http://localhost.example.com",
        "ftp://127.0.0.1",
        "https://",
        "https://host/path",
        "https://host?x",
        "https://host#x",
        "https://user@host",
        "https://user:pass@host",
        "http://127.0.0.1@evil.example",
        "https://host:",
        "https://host:0",
        "https://host:99999",
        "https://host:x",
        "https://ho st",
        "https://host\n",
        "https://[::1",
        "https://host\\x",
        "https://hösт",
    ],
)
def test_not_endpoints(text: str) -> None:
    """Whatever could send signed calls somewhere else, or in the clear, is refused."""
    assert not is_endpoint(text)


def test_pages() -> None:
    """The official page is https with a path, to which the query is added."""
    assert is_page("https://g.alicdn.com/aliyun/ecs-console-vnc2/0.0.8/index.html")
    assert not is_page("http://g.alicdn.com/index.html")
    assert not is_page("https://g.alicdn.com/index.html?")
    assert not is_page("https://g.alicdn.com/index.html#x")


def test_origins() -> None:
    """Origins are compared with what browsers send, so they have no path and aren't null."""
    assert are_origins(())
    assert are_origins(("https://bastion.example.com:8443", "http://localhost:3000"))
    for bad in ("null", "*", "https://a/", "https://a/x", "bastion:8443", "", "ws://a"):
        assert not are_origins(("https://a", bad))


def test_a_base_or_nothing() -> None:
    """An address that people are shown may be missing, but not be something else."""
    assert is_base_or_empty("")
    assert is_base_or_empty("https://bastion-2.example.com:8443")
    assert is_base_or_empty("https://bastion-2.example.com/vnc")
    assert not is_base_or_empty("bastion-2.example.com")


@pytest.mark.parametrize("path", ["", "/vnc", "/a/b", "/vnc-2.x_y~z", "/tools/console", "/..vnc"])
def test_base_paths(path: str) -> None:
    """Plain ones, which need no escaping anywhere."""
    assert is_base_path(path)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/",
            "vnc",
            "/vnc/",
            "//vnc",
            "/a//b",
            "/a b",
            "/a%20b",
            "/é",
            "/a?b",
            "/a#b",
            '/"',
            "/{x}",
        ),
        *("/.", "/..", "/a/..", "/a/./b", "/vnc\n", f"/{'a' * 255}"),
        # Without it a proxy's request looked like another.
        *("/console", "/static/x", "/api", "/enter"),
    ],
)
def test_what_is_no_base_path(path: str) -> None:
    """What a proxy could understand otherwise, or what vncproxy's own paths begin with."""
    assert not is_base_path(path)


def test_where_another_daemon_is() -> None:
    """An address with a path if need be: nothing that a page could be sent astray with."""
    for good in ("https://b2.example.com", "http://10.0.0.2:6080", "https://b.example.com/vnc/2/"):
        assert is_base(good), good
    for bad in (
        "",
        "javascript:alert(1)",
        "//b2.example.com",
        "b2.example.com",
        "ftp://b2.example.com",
        "https://user@b2.example.com",
        "https://b2.example.com@evil.example",
        "https://b2.example.com?q",
        "https://b2.example.com/#f",
        "https://b2.example.com\\@evil.example",
        "https://b2.example.com/\n",
        f"https://b2.example.com/{'a' * 1100}",
    ):
        assert not is_base(bad), bad


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
            "valkey+sentinel://ops:p%2Cw@a,B:7000,[::1]:7001,[::2]/vnc-1/2",
            StoreUrl(
                sentinels=(("a", 26379), ("b", 7000), ("::1", 7001), ("::2", 26379)),
                service="vnc-1",
                user="ops",
                password="p,w",
                database=2,
            ),
        ),
        (
            "valkeys+sentinel://10.0.0.1/vnc",
            StoreUrl(sentinels=(("10.0.0.1", 26379),), service="vnc", tls=True),
        ),
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
        "valkey+sentinel://",
        "valkey+sentinel://h",
        "valkey+sentinel://h/",
        "valkey+sentinel:///vnc",
        "valkey+sentinel://h,/vnc",
        "valkey+sentinel://h,h:26379/vnc",
        "valkey+sentinel://h,a:0/vnc",
        "valkey+sentinel://h,a:65536/vnc",
        "valkey+sentinel://::1/vnc",
        "valkey+sentinel://[h]/vnc",
        "valkey+sentinel://[::1]x/vnc",
        "valkey+sentinel://h/v n c",
        "valkey+sentinel://h/vnc/x",
        "valkey+sentinel://h/vnc/0/1",
        "valkey+sentinel://h/vnc?db=1",
        "valkey+sentinel://user@h/vnc",
        "valkey+sentinel://" + ",".join(f"h{n}" for n in range(16)) + "/vnc",
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
    for text in (
        "valkey://ops:hunter2@h/1",
        "valkey://ops:a@hunter2@h/1",
        "valkey://x/hunter2@h",
        "valkey+sentinel://ops:hunter2@a:1,b:2/vnc",
    ):
        assert "hunter2" not in without_login(text)
    url = parse_store_url("valkey://ops:hunter2@h/1")
    assert "hunter2" not in f"{url!r} {url}"
    assert without_login("valkey://ops:hunter2@h/1") == "valkey://h/1"
    assert without_login("sqlite") == "sqlite"
