"""Where a VncUrl may lead, in every spelling that the system's resolver takes for an address."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vncproxy.aliyun.gateway_host import (
    first_off_limits,
    is_listed,
    why_no_gateway,
    why_off_limits,
)

LOCAL = ("127.0.0.1", "127.255.255.254", "169.254.169.254", "100.100.100.200", "0.0.0.0")


@pytest.mark.parametrize(
    "host",
    [
        *LOCAL,
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "0",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "0x7F000001",
        "0X7f.1",
        "00000177.1",
        "169.254.1",
        "2852039166",
        "0xa9fea9fe",
        "100.100.25800",
        "1684301000",
        "0x64.0x64.0x64.0xc8",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "::1",
        "[::1]",
        "0:0:0:0:0:0:0:1",
        "::",
        "fe80::1",
        "febf::1",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "::ffff:100.100.100.200",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::169.254.169.254",
        "2002:7f00:1::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
    ],
)
def test_addresses_of_no_gateway(host: str) -> None:
    """Loopback, link-local, metadata, nowhere and everywhere."""
    assert why_off_limits(host) is not None


@pytest.mark.parametrize(
    "host",
    [
        "hz01-vncproxy.aliyun.com",
        "47.96.1.1",
        "10.0.0.5",
        "100.100.100.201",
        "127.0.0.1.example.com",
        "localhost.example.com",
        "128.0.0.1",
        "2400:3200::1",
        "2400:3200::7f00:1",
        "64:ff9b::2f60:101",
        "fd00::5",
        "0x7f.example.com",
        "1.2.3.4.5",
        "256.1.1.1",
    ],
)
def test_what_may_be_a_gateway(host: str) -> None:
    """Public and private addresses; names, whose addresses are looked at once they are known."""
    assert why_off_limits(host) is None


FORMS = st.sampled_from(("{}", "0{:o}", "0x{:x}", "0X{:X}", "000{:o}"))


@given(
    address=st.one_of(
        st.integers(0x7F000000, 0x7FFFFFFF),
        st.integers(0xA9FE0000, 0xA9FEFFFF),
        st.just(0x646464C8),
        st.just(0),
    ),
    parts=st.integers(1, 4),
    forms=st.tuples(FORMS, FORMS, FORMS, FORMS),
    dot=st.sampled_from(("", ".")),
)
def test_every_spelling_of_numbers(
    address: int, parts: int, forms: tuple[str, str, str, str], dot: str
) -> None:
    """One to four numbers, each decimal, octal or hexadecimal."""
    heads = [(address >> (24 - 8 * n)) & 0xFF for n in range(parts - 1)]
    last = address & ((1 << (8 * (5 - parts))) - 1)
    host = ".".join(f.format(n) for f, n in zip(forms, [*heads, last], strict=False))
    assert IPv4Address(socket.inet_aton(host)) == IPv4Address(address)
    assert why_off_limits(host + dot) is not None


@given(st.integers(0, (1 << 32) - 1), st.sampled_from(("::ffff:0:0", "64:ff9b::", "2002::")))
def test_an_address_within_another_counts_as_itself(number: int, prefix: str) -> None:
    """Mapped, translated, tunnelled: the same word as for the address itself."""
    shift = 80 if prefix == "2002::" else 0
    carrier = IPv6Address(int(IPv6Address(prefix)) | (number << shift))
    own = why_no_gateway(IPv4Address(number))
    assert why_no_gateway(carrier) == own or own is None


@given(st.text(max_size=40))
def test_any_text_has_an_answer(host: str) -> None:
    """Nothing raises."""
    assert why_off_limits(host) is None or isinstance(why_off_limits(host), str)


def test_what_a_name_leads_to() -> None:
    """One bad address is enough."""
    found = [(2, 1, 6, "", ("127.0.0.1", 80))]
    assert first_off_limits(found) == "this machine itself"
    good = (2, 1, 6, "", ("47.96.1.1", 80))
    assert first_off_limits([good]) is None
    assert first_off_limits([good, *found]) is not None
    scoped = (10, 1, 6, "", ("fe80::1%eth0", 80, 0, 2))
    assert first_off_limits([good, scoped]) == "a link-local address"


@pytest.mark.parametrize(
    ("host", "suffixes", "listed"),
    [
        ("hz01-vncproxy.aliyun.com", ["aliyun.com"], True),
        ("hz01-vncproxy.aliyun.com.", [".aliyun.com"], True),
        ("HZ01.Aliyun.com", ["ALIYUN.COM"], True),
        ("aliyun.com", [".aliyun.com"], True),
        ("evilaliyun.com", ["aliyun.com"], False),
        ("aliyun.com.evil.example", ["aliyun.com"], False),
        ("10.0.0.5", ["10.0.0.5"], True),
        ("1.10.0.0.5", ["10.0.0.5"], False),
        ("x.example", ["aliyun.com", "example"], True),
        ("x.example", [], False),
    ],
)
def test_listed_hosts(host: str, suffixes: list[str], listed: bool) -> None:
    """By whole labels, however they are written."""
    assert is_listed(host, suffixes) is listed


def test_the_words() -> None:
    """Each says what is there."""
    words = {why_no_gateway(ip_address(one)) for one in LOCAL}
    assert words == {"this machine itself", "a link-local address", "the metadata address"}
