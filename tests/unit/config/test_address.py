"""Addresses of doors."""

from __future__ import annotations

from pathlib import Path

import pytest

from vncproxy.config.address import (
    TcpAddress,
    UnixAddress,
    is_door,
    is_host,
    is_loopback,
    parse_address,
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
