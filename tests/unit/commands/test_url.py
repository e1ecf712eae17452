"""`vncproxy url`: its arguments; see test_console_url.py."""

from __future__ import annotations

import pytest

from tests.unit.commands.surroundings import options_of, refuses


@pytest.mark.parametrize("url", ["http://localhost:7000", "https://b.example/vnc/", "http://[::1]"])
def test_addresses(url: str) -> None:
    """As they were given."""
    assert options_of("url", "demo", "--base-url", url).base_url == url


@pytest.mark.parametrize(
    "url",
    [
        "bastion.example",
        "javascript:alert(1)",
        "https://h/?x=1",
        "https://h/#x",
        "http://[::1",
        "http://a b/",
        "http://a/\n",
        "http://a:port/",
        "http://a:0/",
    ],
)
def test_addresses_that_are_none(url: str) -> None:
    """Wrong usage."""
    assert refuses("url", "demo", "--base-url", url)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("demo", "--force"),
        ("demo", "--with-password"),
        ("demo", "--official", "--base-url", "https://h"),
    ],
)
def test_what_does_not_go_together(arguments: tuple[str, ...]) -> None:
    """Wrong usage, before any configuration is read."""
    assert refuses("url", *arguments)
